import { randomUUID } from 'node:crypto';
import type { SessionStreamQuery } from '../src/index.js';
import { fenceOf, leaseScenario, type LeaseScenario } from './lease-scenario.js';
import { startStreams, type Streams } from './streams-fixture.js';

describe('a query for streams', () => {
  const IDLE = 2_000;
  const project_id = randomUUID();
  let streams: Streams;
  let scenario: LeaseScenario;
  /** By the status of their session, in the order of their ids. */
  const ids: Record<'queued' | 'starting' | 'stopping', string[]> = { queued: [], starting: [], stopping: [] };

  beforeAll(async () => {
    streams = await startStreams();
    scenario = leaseScenario(streams);
    for (let count = 0; count < 2; count++) {
      for (const status of ['starting', 'stopping', 'queued'] as const) {
        const session = await streams.openSession(project_id);
        ids[status].push(session.session_id);
        if (status === 'queued') {
          await streams.startTurn(session, 'hello', 'scripted', { pool: 'nobody' });
          continue;
        }
        const claimed = await scenario.claimed(session);
        if (status === 'starting') continue;
        await streams.unitOfWork.run(async (tx) => {
          await streams.fences.lock(tx, session);
          await streams.turns.requestStop(tx, (await streams.turns.liveTurn(tx, fenceOf(claimed)))!, 'cancelled');
        });
      }
    }
    await streams.unitOfWork.query(
      `INSERT INTO session_streams (project_id, session_id) SELECT $1, 'idle-' || n FROM generate_series(1, $2) n`,
      [project_id, IDLE],
    );
    await streams.unitOfWork.query('ANALYZE session_streams, session_turns');
    for (const list of Object.values(ids)) list.sort();
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => streams.stop());

  const query = (filter: Partial<SessionStreamQuery>) =>
    streams.streams.list(project_id, {
      status: filter.status,
      session_ids: filter.session_ids,
      after: undefined,
      limit: 50,
    });
  const found = async (filter: Partial<SessionStreamQuery>) =>
    (await query(filter)).map(({ session_id }) => session_id);

  it.each(['queued', 'starting', 'stopping'] as const)(
    'by one status of a live turn (%s) finds those, by id',
    async (status) => {
      expect(await found({ status: [status] })).toEqual(ids[status]);
      expect((await query({ status: [status] })).map((row) => row.status)).toEqual([status, status]);
    },
  );

  it('by several, by ids, and by both finds what fits all of it', async () => {
    const { queued, stopping, starting } = ids;
    expect(await found({ status: ['queued', 'stopping'] })).toEqual([...queued, ...stopping].sort());
    expect(await found({ session_ids: [queued[0]!, 'idle-7'] })).toEqual([queued[0]!, 'idle-7'].sort());
    expect(await found({ status: ['queued'], session_ids: [queued[1]!, starting[0]!, 'idle-7'] })).toEqual([queued[1]]);
    expect(await found({ status: ['idle'], session_ids: [queued[1]!, 'idle-7'] })).toEqual(['idle-7']);
    expect(await found({ status: ['idle', 'queued'], session_ids: [queued[1]!, 'idle-7', starting[0]!] })).toEqual(
      [queued[1]!, 'idle-7'].sort(),
    );
    expect(await found({ status: [] })).toEqual([]);
    expect(await found({})).toHaveLength(50);
  });

  it('by the status of a live turn reads no session that is idle', async () => {
    const asked = jest.spyOn(streams.unitOfWork, 'query');
    await query({ status: ['stopping'] });
    const [text, values] = asked.mock.calls[0]!;
    asked.mockRestore();
    const [row] = await streams.unitOfWork.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      values,
    );
    expect(rowsRead(row!['QUERY PLAN'][0].Plan, 'session_streams')).toBeLessThanOrEqual(6);
  });
});

interface PlanNode {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

function rowsRead(node: PlanNode, table: string): number {
  const own = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0);
  return (
    (node['Relation Name'] === table ? own * node['Actual Loops'] : 0) +
    (node.Plans ?? []).reduce((sum, part) => sum + rowsRead(part, table), 0)
  );
}

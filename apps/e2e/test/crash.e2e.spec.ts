import { randomUUID } from 'node:crypto';
import { createConnection } from 'node:net';
import { once } from 'node:events';
import { eventually } from '@holdfast/testing';
import { followUntil, isEnd, textOf, typesOf, type Seen } from './follow.js';
import { startStack, type Stack } from './stack.js';
import { StreamWriter } from './stream-load.js';

const CHUNKS = 150;

/** What was killed must be back before a watchdog ends the agent, on a busy machine too. */
const PATIENT = { LEASE_SECONDS: '24', WATCHDOG_SECONDS: '20' };
/** A lost owner is noticed only when its lease is over. */
const UNTIL_LOST_MS = 90_000;
const backends = process.env['HOLDFAST_TEST_REDIS_URL'] ? ['PostgreSQL alone', 'Redis'] : ['PostgreSQL alone'];

describe.each(backends)('kill -9 in the middle of a streaming turn, on %s', (backend) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ redis: backend === 'Redis', env: PATIENT });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  /** A turn that streams for some three seconds, followed from its start; resolves once it is well under way. */
  const startStreaming = async () => {
    const session_id = `s-${randomUUID()}`;
    const { turn_id } = await stack.client.invoke({ session_id, prompt: `[[stream:${CHUNKS}:20]]` });
    const viewer = followUntil(stack, session_id, isEnd, '-1', UNTIL_LOST_MS);
    await followUntil(stack, session_id, ({ event }) => JSON.stringify(event).includes('chunk 20 '));
    return { session_id, turn_id, viewer };
  };
  const chunksOf = (seen: Seen[]) => (textOf(seen).match(/chunk \d+/g) ?? []).map((chunk) => Number(chunk.slice(6)));
  const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
  const wholeLog = (session_id: string) => followUntil(stack, session_id);

  /** The records, once the workers have caught up. */
  const wholeTranscript = (session_id: string) =>
    eventually(async () => {
      const page = await stack.client.transcripts.querySessionTranscripts({ SessionTranscriptQuery: { session_id } });
      if (page.projected_offset !== page.tail_offset) throw new Error('not projected yet');
      return page.data;
    });

  it('of the api: nothing is lost, nothing doubled, and the turn completes', async () => {
    const { session_id, viewer } = await startStreaming();
    await stack.api.kill();
    await stack.api.start();
    const seen = await viewer;
    expect(seen.at(-1)!.event.type).toBe('turn.completed');
    expect(chunksOf(seen)).toEqual(upTo(CHUNKS));
    expect(await wholeLog(session_id)).toEqual(seen);
  });

  it('of the workers: the turn completes, and the transcript catches up', async () => {
    const { session_id, viewer } = await startStreaming();
    await stack.workers.kill();
    const seen = await viewer;
    expect(chunksOf(seen)).toEqual(upTo(CHUNKS));
    await stack.workers.start();
    expect((await wholeTranscript(session_id)).map(({ type }) => type)).toEqual([
      'user_message',
      'agent_message',
      'turn_end',
    ]);
  });

  it('of the runner: what it wrote stays, the turn says that its owner was lost, and the next runner does it again', async () => {
    const { session_id, turn_id, viewer } = await startStreaming();
    await stack.runner.kill();
    await stack.runner.start();
    const seen = await viewer;
    const lostAt = typesOf(seen).indexOf('turn.attempt_lost');
    const written = chunksOf(seen.slice(0, lostAt));
    expect(written.length).toBeGreaterThanOrEqual(20);
    expect(written).toEqual(upTo(written.length));
    expect(chunksOf(seen.slice(lostAt))).toEqual(upTo(CHUNKS));
    expect(seen.at(-1)!.event.type).toBe('turn.completed');
    expect(await stack.client.streams.fetchSessionTurn({ turn_id })).toMatchObject({ status: 'completed', attempt: 2 });
    expect(await wholeLog(session_id)).toEqual(seen);
  }, 120_000);

  it('of PostgreSQL: every acknowledged event is there once, and the turn completes', async () => {
    const { session_id, viewer } = await startStreaming();
    await stack.crashPostgres();
    const seen = await viewer;
    expect(seen.at(-1)!.event.type).toBe('turn.completed');
    expect(chunksOf(seen)).toEqual(upTo(CHUNKS));
    expect(await wholeLog(session_id)).toEqual(seen);
    expect((await wholeTranscript(session_id)).at(-1)!.type).toBe('turn_end');
  });

  it.each([
    ['the api', () => stack.api.kill().then(() => stack.api.start())],
    ['PostgreSQL', () => stack.crashPostgres()],
  ])(
    'of %s while many write to streams: what was acknowledged is there, the rest whole or not at all, nothing twice',
    async (_, crash) => {
      const writers = Array.from(
        { length: 8 },
        (_, n) => new StreamWriter(stack, `crashes/${randomUUID()}`, n % 2 === 0),
      );
      await Promise.all(writers.map((writer) => writer.start()));
      const more = async (count: number) => {
        const enough = writers.map(({ acknowledged }) => acknowledged.length + count);
        await eventually(
          () => writers.forEach((writer, n) => expect(writer.acknowledged.length).toBeGreaterThan(enough[n]!)),
          {
            timeout: 20_000,
          },
        );
      };
      await more(30);
      await crash();
      await more(30);
      await Promise.all(writers.map((writer) => writer.stop()));
      // Or it was not killed under load.
      expect(writers.some(({ failures }) => failures > 0)).toBe(true);

      for (const writer of writers) {
        const appends = await writer.appends();
        expect(appends).toEqual([...new Set(appends)].sort((a, b) => a - b));
        expect(appends).toEqual(expect.arrayContaining(writer.acknowledged));
        if (writer.isProducer) expect(appends).toEqual(writer.acknowledged);
        expect([...writer.refusals].filter((status) => status !== 503)).toEqual([]);
      }
    },
    60_000,
  );

  if (backend === 'Redis') {
    it('B26: FLUSHALL loses nothing: who owns what is in PostgreSQL', async () => {
      const { session_id, viewer } = await startStreaming();
      await flushAll(stack.redis!.port);
      const seen = await viewer;
      expect(chunksOf(seen)).toEqual(upTo(CHUNKS));
      expect((await wholeTranscript(session_id)).at(-1)!.type).toBe('turn_end');
    });
  }
});

async function flushAll(port: number): Promise<void> {
  const socket = createConnection(port, '127.0.0.1');
  socket.write('FLUSHALL\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  expect(String(answer)).toContain('OK');
}

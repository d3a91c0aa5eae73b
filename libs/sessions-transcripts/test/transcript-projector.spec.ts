import { project, startOfLog } from '../src/projection/transcript-projection.rules.js';
import { GITHUB_TOKEN } from './secrets.js';
import { conversation, event, logOf, say } from './session-events.js';
import type { TestLog } from './test-log.js';
import { TranscriptDatabase } from './transcript-database.js';

let database: TranscriptDatabase;

beforeAll(async () => {
  database = await TranscriptDatabase.open();
});

afterAll(() => database?.close());

/** Everything of a session that a projection writes. */
async function written({ session }: TestLog) {
  const key = [session.project_id, session.session_id];
  const where = 'WHERE project_id = $1 AND session_id = $2';
  return {
    records: await database.unitOfWork.query(
      `SELECT generation, position, turn_id, type, content, started_at, ended_at, last_position
         FROM session_records ${where} ORDER BY generation, position`,
      key,
    ),
    transcript: await database.unitOfWork.query(
      `SELECT generation, projected_position, open_items FROM session_transcripts ${where}`,
      key,
    ),
    mark: (await database.unitOfWork.queryOne(`SELECT projected FROM test_logs ${where}`, key))?.projected,
  };
}

/** What must be written once the whole log is projected. */
function expected(events: unknown[], generation = 1) {
  const { records, state } = project(startOfLog(), logOf(...events));
  return {
    records: records
      .map((record) => ({
        ...record,
        generation,
        started_at: new Date(record.started_at),
        ended_at: new Date(record.ended_at),
      }))
      .sort((a, b) => a.position - b.position),
    transcript: [{ generation, projected_position: events.length, open_items: state.open }],
    mark: events.length,
  };
}

describe('projecting a session', () => {
  it('writes each record once, in any number of batches, and nothing more when it is done', async () => {
    const log = await database.aLog();
    expect(await database.catchUp(log)).toBe(true);
    expect(await written(log)).toEqual(expected(conversation));

    expect(await database.advance(log)).toEqual({ caughtUp: true, advanced: false });
    expect(await written(log)).toEqual(expected(conversation));
  });

  it('goes on where it stopped, with what was open', async () => {
    const log = await database.aLog(conversation.slice(0, 5));
    await database.catchUp(log);
    log.append(...conversation.slice(5));
    await database.catchUp(log);
    expect(await written(log)).toEqual(expected(conversation));
  });

  it('lets one of two win that read the same batch, and tells the other', async () => {
    const log = await database.aLog();
    for (let step = { caughtUp: false }; !step.caughtUp;) {
      let readers = 0;
      let release = () => {};
      const bothHaveRead = new Promise<void>((resolve) => (release = resolve));
      const together = {
        read: async (...args: Parameters<TestLog['read']>) => {
          const batch = await log.read(...args);
          readers += 1;
          if (readers === 2) release();
          await bothHaveRead;
          return batch;
        },
      };
      const projector = database.projectorOf(log, together, { advance: () => Promise.resolve(true) });
      const steps = await Promise.all([database.advance(log, projector), database.advance(log, projector)]);

      expect(steps.map(({ advanced }) => advanced).sort()).toEqual([false, true]);
      step = steps.find(({ advanced }) => advanced)!;
    }
    expect(await written(log)).toEqual({ ...expected(conversation), mark: 0 });
  });

  it('writes each record once however many workers race', async () => {
    const events = Array.from({ length: 20 }, () => conversation).flat();
    const log = await database.aLog(events);
    const worker = async () => {
      while (!(await database.catchUp(log)));
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    expect(await written(log)).toEqual(expected(events));
  });

  it('leaves nothing half done when it dies at the last write of a batch, and goes on from there', async () => {
    const log = await database.aLog();
    let calls = 0;
    const dying = {
      advance: (...args: Parameters<TestLog['advance']>) => {
        calls += 1;
        return calls % 2 === 0 ? Promise.reject(new Error('killed')) : log.advance(...args);
      },
    };
    const projector = database.projectorOf(log, log, dying);
    let deaths = 0;
    for (let caughtUp = false; !caughtUp;) {
      const before = await written(log);
      try {
        ({ caughtUp } = await database.advance(log, projector));
      } catch (error) {
        expect((error as Error).message).toBe('killed');
        expect(await written(log)).toEqual(before);
        deaths += 1;
      }
    }
    expect(deaths).toBeGreaterThan(1);
    expect(await written(log)).toEqual(expected(conversation));
  });

  it("writes nothing while the log's own mark is elsewhere", async () => {
    const log = await database.aLog();
    const elsewhere = { advance: () => Promise.resolve(false) };
    const projector = database.projectorOf(log, log, elsewhere);
    expect(await database.advance(log, projector)).toEqual({ caughtUp: false, advanced: false });
    expect(await database.catchUp(log, projector)).toBe(false);
    expect(await written(log)).toEqual({ records: [], transcript: [], mark: 0 });
  });

  it('joins what a batch cut inside a character, and replaces what PostgreSQL cannot hold', async () => {
    const log = await database.aLog([
      event('a'),
      event('b'),
      say('\ud83d'),
      say('\ude00'),
      say('\0|\ud83d'),
      event('turn.lost'),
    ]);
    await database.catchUp(log);
    const { records } = await written(log);
    const blocks = [{ type: 'text', text: '\u{1f600}\ufffd|\ufffd' }];
    expect(records[0]).toMatchObject({ content: { blocks, continues: false } });
  });

  it('commits no record with a secret in it, also when the secret comes in pieces and in two batches', async () => {
    const [head, rest] = [GITHUB_TOKEN.slice(0, 9), GITHUB_TOKEN.slice(9)];
    const log = await database.aLog([event('a'), event('b'), say(`token: ${head}`)]);
    await database.catchUp(log);
    log.append(say(rest), event('turn.lost', { error: { detail: GITHUB_TOKEN } }));
    await database.catchUp(log);

    const { records, transcript } = await written(log);
    expect(records).toMatchObject([
      { content: { blocks: [{ type: 'text', text: 'token: [redacted:github_token]' }] } },
      { content: { error: { detail: '[redacted:github_token]' } } },
    ]);
    expect(JSON.stringify({ records, transcript })).not.toContain('ghp_');
  });

  it('begins again when the log was made again, without what was open in the old one', async () => {
    const log = await database.aLog([say('old'), event('turn.lost'), say('never finished')]);
    await database.catchUp(log);
    const old = await written(log);

    await log.create(database.unitOfWork, 2);
    log.append(...conversation);
    await database.catchUp(log);

    const fresh = expected(conversation, 2);
    expect(await written(log)).toEqual({ ...fresh, records: [...old.records, ...fresh.records] });
  });
});

import { randomUUID } from 'node:crypto';
import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { BlobStore } from '@holdfast/platform-blobs';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { DEFAULT_NATIVE_TRANSCRIPTS_CONFIG } from '../src/native/native-transcripts.config.js';
import { SessionsTranscriptsModule } from '../src/sessions-transcripts.module.js';
import { SessionsTranscriptsReader } from '../src/sessions-transcripts.reader.js';
import { TranscriptProjector } from '../src/transcript-projector.service.js';
import { conversation, event, OTHER_TURN, say, timeOf, TURN } from './session-events.js';
import { TestLog } from './test-log.js';
import { TranscriptDatabase } from './transcript-database.js';

let database: TranscriptDatabase;

beforeAll(async () => {
  database = await TranscriptDatabase.open();
});

afterAll(() => database?.close());

function query(log: TestLog, rest: object = {}, project_id = log.session.project_id) {
  return new SessionsTranscriptsReader(database.repository, log).query(project_id, {
    session_id: log.session.session_id,
    limit: 50,
    ...rest,
  });
}

describe('querying a transcript', () => {
  const id = (position: number, generation = 1) => `000000000000000${generation}_${String(position).padStart(16, '0')}`;

  it('answers records in the order of their first events', async () => {
    const log = await database.aLog();
    await database.catchUp(log);
    const page = await query(log);
    expect(page.data.map(({ record_id, type }) => [record_id, type])).toEqual([
      [id(1), 'user_message'],
      [id(3), 'thought'],
      [id(4), 'agent_message'],
      [id(6), 'tool_call'],
      [id(7), 'tool_call'],
      [id(9), 'agent_message'],
      [id(11), 'turn_end'],
    ]);
    expect(page.data[2]).toEqual({
      record_id: id(4),
      session_id: 'chat',
      turn_id: TURN,
      type: 'agent_message',
      content: { blocks: [{ type: 'text', text: 'Hello' }], continues: false },
      started_at: timeOf(4),
      ended_at: timeOf(5),
    });
    expect(page).toMatchObject({ next_cursor: null, projected_offset: id(12), tail_offset: id(12) });
  });

  it('tells how much of the log is not projected yet', async () => {
    const log = await database.aLog();
    expect(await query(log)).toEqual({ data: [], next_cursor: null, projected_offset: id(0), tail_offset: id(12) });
    await database.advance(log);
    expect(await query(log)).toMatchObject({ projected_offset: id(3), tail_offset: id(12) });
  });

  it('pages without gaps or repeats, and ends with a null cursor', async () => {
    const log = await database.aLog();
    await database.catchUp(log);
    const all = (await query(log)).data;

    const pages = [];
    let cursor: string | undefined;
    do {
      const page = await query(log, { limit: 3, cursor });
      pages.push(page.data);
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(all);
    expect((await query(log, { limit: all.length })).next_cursor).toBeNull();
  });

  it('G6: filters by turn and by type', async () => {
    const other = [event('turn.queued', { prompt: 'Again' }, OTHER_TURN), event('turn.failed', {}, OTHER_TURN)];
    const log = await database.aLog([...conversation, ...other]);
    await database.catchUp(log);
    const found = async (rest: object) => (await query(log, rest)).data.map(({ turn_id, type }) => [turn_id, type]);

    expect(await found({ turn_id: OTHER_TURN })).toEqual([
      [OTHER_TURN, 'user_message'],
      [OTHER_TURN, 'turn_end'],
    ]);
    expect(await found({ types: ['turn_end', 'thought'] })).toEqual([
      [TURN, 'thought'],
      [TURN, 'turn_end'],
      [OTHER_TURN, 'turn_end'],
    ]);
    expect(await found({ turn_id: OTHER_TURN, types: ['thought'] })).toEqual([]);
  });

  it('shows the present log only, and refuses a cursor of the one before', async () => {
    const log = await database.aLog();
    await database.catchUp(log);
    const { next_cursor } = await query(log, { limit: 1 });

    await log.create(database.unitOfWork, 2);
    expect(await query(log)).toEqual({
      data: [],
      next_cursor: null,
      projected_offset: id(0, 2),
      tail_offset: id(0, 2),
    });
    await expect(query(log, { cursor: next_cursor })).rejects.toMatchObject({ code: 'transcript_cursor_gone' });
    log.append(say('new'), event('turn.lost'));
    await database.catchUp(log);
    expect((await query(log)).data.map(({ record_id }) => record_id)).toEqual([id(0, 2), id(1, 2)]);
  });

  it("knows nothing of another project's session", async () => {
    const log = await database.aLog();
    const namesake = await database.aLog([say('mine'), event('turn.lost')]);
    await database.catchUp(log);
    await database.catchUp(namesake);

    await expect(query(log, {}, randomUUID())).rejects.toMatchObject({ code: 'session_not_found', kind: 'not-found' });
    await expect(query(log, { session_id: 'other' })).rejects.toMatchObject({ code: 'session_not_found' });
    expect((await query(namesake)).data.map(({ type }) => type)).toEqual(['agent_message', 'turn_end']);
  });

  it('refuses what is no cursor', async () => {
    await expect(query(await database.aLog(), { cursor: 'x' })).rejects.toMatchObject({ code: 'cursor_malformed' });
  });
});

describe('the module', () => {
  it('makes its ports with what its imports export', async () => {
    const log = await database.aLog();
    class LogOfTest extends TestLog {
      constructor() {
        super(log.session);
        this.append(...conversation);
      }
    }
    @Global()
    @Module({
      providers: [
        { provide: UnitOfWork, useValue: database.unitOfWork },
        { provide: BlobStore, useValue: {} },
      ],
      exports: [UnitOfWork, BlobStore],
    })
    class Platform {}

    const ports = { eventSource: LogOfTest, projectionProgress: LogOfTest, logTail: LogOfTest };
    const app = await Test.createTestingModule({
      imports: [
        Platform,
        SessionsTranscriptsModule.register({
          imports: [],
          ports,
          native: DEFAULT_NATIVE_TRANSCRIPTS_CONFIG,
          redactionRules: [],
        }),
      ],
    }).compile();
    const { project_id, session_id } = log.session;
    expect(await app.get(TranscriptProjector).projectUntilCaughtUp(project_id, session_id)).toBe(true);
    const page = await app.get(SessionsTranscriptsReader).query(project_id, { session_id, limit: 2 });
    expect(page.data).toHaveLength(2);
  });
});

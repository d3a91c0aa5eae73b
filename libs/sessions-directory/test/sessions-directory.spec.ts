import { randomUUID } from 'node:crypto';
import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { createDataSource, UnitOfWork, type SessionKey } from '@holdfast/platform-postgres';
import { testPostgres, type TestPostgres } from '@holdfast/testing';
import { DataSource } from 'typeorm';
import type { SessionCreate } from '../src/dto/session-create.dto.js';
import { sessionsDirectoryPersistence } from '../src/persistence.js';
import { SessionsDirectoryModule } from '../src/sessions-directory.module.js';
import { SessionsDirectoryReader } from '../src/sessions-directory.reader.js';
import { SessionsDirectoryService } from '../src/sessions-directory.service.js';

@Global()
@Module({ providers: [{ provide: DataSource, useFactory: () => dataSource }], exports: [DataSource] })
class TestPlatform {}

let postgres: TestPostgres;
let dataSource: DataSource;
let unitOfWork: UnitOfWork;
let service: SessionsDirectoryService;
let reader: SessionsDirectoryReader;

beforeAll(async () => {
  postgres = await testPostgres([sessionsDirectoryPersistence]);
  const config = { url: postgres.url, poolSize: 20, applicationName: 'sessions-directory-test' };
  dataSource = await createDataSource(config, [sessionsDirectoryPersistence]).initialize();
  unitOfWork = new UnitOfWork(dataSource);
  // Callers that have to connect first would come one after the other instead of racing.
  await Promise.all(Array.from({ length: 20 }, () => unitOfWork.query('SELECT 1')));
  const app = await Test.createTestingModule({ imports: [TestPlatform, SessionsDirectoryModule] }).compile();
  service = app.get(SessionsDirectoryService);
  reader = app.get(SessionsDirectoryReader);
});

afterAll(async () => {
  await dataSource?.destroy();
  await postgres?.drop();
});

const aSession = (): SessionKey => ({ project_id: randomUUID(), session_id: 'chat' });

const ensure = (key: SessionKey, create: SessionCreate = {}, by_id: string = randomUUID()) =>
  unitOfWork.run((tx) => service.ensure(tx, key, create, by_id));

describe('ensuring a session', () => {
  it('makes it with what the caller gives', async () => {
    const key = aSession();
    const by_id = randomUUID();

    const { session, created, generation } = await ensure(key, { name: 'Chat', labels: { team: 'red' } }, by_id);

    expect({ created, generation }).toEqual({ created: true, generation: 1 });
    expect(session).toEqual({
      session_id: 'chat',
      name: 'Chat',
      labels: { team: 'red' },
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
      updated_at: session.created_at,
      created_by_id: by_id,
      updated_by_id: by_id,
      archived_at: null,
      archived_by_id: null,
    });
    expect(await reader.fetchSession(key)).toEqual(session);
  });

  it('returns one that exists unchanged, whatever is asked for and by whom', async () => {
    const key = aSession();
    const { session } = await ensure(key);
    expect(session).toMatchObject({ name: null, labels: {} });

    const again = await ensure(key, { name: 'Other', labels: { a: 'b' } });

    expect(again).toEqual({ session, created: false, generation: 1 });
    expect(await reader.fetchSession(key)).toEqual(session);
  });

  it('makes it once when many ask at the same time', async () => {
    const key = aSession();

    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ensure(key, { name: `Chat ${i}` })));

    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(answers.map(({ session }) => session.name)).size).toBe(1);
  });

  it('leaves nothing behind when the transaction fails', async () => {
    const key = aSession();

    const failing = unitOfWork.run(async (tx) => {
      await service.ensure(tx, key, {}, randomUUID());
      throw new Error('after the session');
    });

    await expect(failing).rejects.toThrow('after the session');
    await expect(reader.fetchSession(key)).rejects.toMatchObject({ code: 'session_not_found' });
  });
});

describe('tenancy', () => {
  it('lets two projects use the same id for different sessions', async () => {
    const one = aSession();
    const other = aSession();
    await ensure(one, { name: 'One' });
    expect(await ensure(other, { name: 'Other' })).toMatchObject({ created: true, session: { name: 'Other' } });

    expect(await reader.fetchSession(one)).toMatchObject({ name: 'One' });
    const { data } = await reader.querySessions(one.project_id, { limit: 50 });
    expect(data.map(({ name }) => name)).toEqual(['One']);
  });

  it('answers for the session of another project as for none', async () => {
    const { session_id } = aSession();
    await ensure({ project_id: randomUUID(), session_id });
    await expect(reader.fetchSession({ project_id: randomUUID(), session_id })).rejects.toMatchObject({
      code: 'session_not_found',
      kind: 'not-found',
    });
  });
});

describe('listing sessions', () => {
  async function pages(project_id: string, limit: number): Promise<string[][]> {
    const found: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await reader.querySessions(project_id, { limit, cursor });
      found.push(page.data.map(({ session_id }) => session_id));
      cursor = page.next_cursor ?? undefined;
    } while (cursor && found.length < 10);
    return found;
  }

  it('pages through all of them, newest first', async () => {
    const { project_id } = aSession();
    for (const session_id of ['c', 'a', 'b', 'd']) await ensure({ project_id, session_id });
    // Microseconds apart, as fast writers are: finer than a cursor tells.
    await unitOfWork.query(
      `UPDATE sessions SET created_at = timestamptz '2026-01-01 00:00:00.0001Z' + array_position('{c,a,b,d}', session_id) * interval '2 milliseconds 1 microsecond'
        WHERE project_id = $1`,
      [project_id],
    );

    expect(await pages(project_id, 2)).toEqual([
      ['d', 'b'],
      ['a', 'c'],
    ]);
  });

  it('loses none of those made at the same moment', async () => {
    const { project_id } = aSession();
    await unitOfWork.run(async (tx) => {
      for (const session_id of ['a', 'b', 'c', 'd', 'e']) {
        await service.ensure(tx, { project_id, session_id }, {}, randomUUID());
      }
    });

    expect(await pages(project_id, 2)).toEqual([['e', 'd'], ['c', 'b'], ['a']]);
  });

  it('refuses a cursor that is none of its own', async () => {
    await expect(reader.querySessions(randomUUID(), { limit: 5, cursor: 'e30' })).rejects.toMatchObject({
      code: 'cursor_malformed',
    });
  });
});

describe('archiving', () => {
  const setArchived = (key: SessionKey, archived: boolean, by_id: string = randomUUID()) =>
    unitOfWork.run((tx) => service.setArchived(tx, key, archived, by_id));
  const listed = async (project_id: string, archived?: 'exclude' | 'only' | 'include') =>
    (await reader.querySessions(project_id, { limit: 50, archived })).data.map(({ session_id }) => session_id);

  it('says when and by whom, and takes it back; again changes nothing', async () => {
    const key = aSession();
    const by_id = randomUUID();
    const { session } = await ensure(key);
    expect(session).toMatchObject({ archived_at: null, archived_by_id: null });

    const archived = await setArchived(key, true, by_id);
    expect(archived).toEqual({
      changed: true,
      session: { ...session, archived_at: expect.stringMatching(/^\d{4}-.*Z$/), archived_by_id: by_id },
    });
    expect(await setArchived(key, true)).toEqual({ ...archived, changed: false });
    expect(await setArchived(key, false)).toEqual({ changed: true, session });
    expect(await setArchived(key, false)).toEqual({ changed: false, session });
  });

  it('takes it from lists, unless they ask for it', async () => {
    const { project_id } = aSession();
    for (const session_id of ['used', 'away']) await ensure({ project_id, session_id });
    await setArchived({ project_id, session_id: 'away' }, true);

    expect(await listed(project_id)).toEqual(['used']);
    expect(await listed(project_id, 'exclude')).toEqual(['used']);
    expect(await listed(project_id, 'only')).toEqual(['away']);
    expect((await listed(project_id, 'include')).sort()).toEqual(['away', 'used']);
  });

  it('finds nothing in another project', async () => {
    const key = aSession();
    await ensure(key);
    await expect(setArchived({ ...key, project_id: randomUUID() }, true)).rejects.toMatchObject({
      code: 'session_not_found',
    });
  });
});

describe('deleting', () => {
  const remove = (key: SessionKey, by_id: string = randomUUID()) =>
    unitOfWork.run((tx) => service.delete(tx, key, by_id));

  it('takes it out, for everybody and every list, and says which generation ended', async () => {
    const key = aSession();
    await ensure(key, { name: 'Chat' });
    expect(await remove(key)).toBe(1);
    await expect(reader.fetchSession(key)).rejects.toMatchObject({ code: 'session_not_found' });
    expect((await reader.querySessions(key.project_id, { limit: 5, archived: 'include' })).data).toEqual([]);
    await expect(remove(key)).rejects.toMatchObject({ code: 'session_not_found' });
    await expect(remove({ ...key, project_id: randomUUID() })).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('lets it be made anew, as the next generation, with nothing of before', async () => {
    const key = aSession();
    await ensure(key, { name: 'Before', labels: { a: 'b' } });
    await unitOfWork.run((tx) => service.setArchived(tx, key, true, randomUUID()));
    await remove(key);

    const by_id = randomUUID();
    const made = await ensure(key, {}, by_id);

    expect(made).toMatchObject({ created: true, generation: 2 });
    expect(made.session).toEqual({
      session_id: 'chat',
      name: null,
      labels: {},
      created_at: made.session.created_at,
      updated_at: made.session.created_at,
      created_by_id: by_id,
      updated_by_id: by_id,
      archived_at: null,
      archived_by_id: null,
    });
    expect(await ensure(key)).toEqual({ ...made, created: false });
  });

  it('lets it be made anew once when many ask at the same time', async () => {
    const key = aSession();
    await ensure(key);
    await remove(key);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ensure(key)));
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(answers.map(({ generation }) => generation))).toEqual(new Set([2]));
  });
});

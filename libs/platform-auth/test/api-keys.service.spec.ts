import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import type { DataSource } from 'typeorm';
import { ApiKeys, authPersistence, type ApiKeyCreate } from '../src/index.js';

let database: Awaited<ReturnType<typeof testPostgres>>;
let dataSource: DataSource;
let unitOfWork: UnitOfWork;
/** Two processes that share the database and nothing else. */
let here: ApiKeys;
let elsewhere: ApiKeys;

beforeAll(async () => {
  database = await testPostgres([authPersistence]);
  dataSource = await createDataSource({ url: database.url, poolSize: 4, applicationName: 'test' }, [
    authPersistence,
  ]).initialize();
  unitOfWork = new UnitOfWork(dataSource);
});
beforeEach(() => {
  here = new ApiKeys(unitOfWork);
  elsewhere = new ApiKeys(unitOfWork);
});
afterEach(() => jest.restoreAllMocks());
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

const aProject = () => unitOfWork.run((tx) => here.createProject(tx, { name: 'test' }));
const aKey = (key: ApiKeyCreate) => unitOfWork.run((tx) => here.createKey(tx, key));
const aUserKey = async () =>
  aKey({ project_id: await aProject(), name: 'k', kind: 'user', permissions: ['VIEW_SESSIONS'] });
const later = (ms: number) => {
  const now = performance.now();
  jest.spyOn(performance, 'now').mockReturnValue(now + ms);
};

describe('API keys', () => {
  it('stand for their project, kind and permissions', async () => {
    const project_id = await aProject();
    const user = await aKey({ project_id, name: 'ci', kind: 'user', permissions: ['VIEW_SESSIONS', 'RUN_SESSIONS'] });
    const runner = await aKey({ project_id, name: 'pool', kind: 'runner' });

    expect(await here.authenticate(user.key)).toEqual({
      project_id,
      key_id: user.id,
      kind: 'user',
      permissions: ['VIEW_SESSIONS', 'RUN_SESSIONS'],
    });
    expect(await here.authenticate(runner.key)).toEqual({
      project_id,
      key_id: runner.id,
      kind: 'runner',
      permissions: [],
    });
  });

  it('are stored as a hash: a dump of the table opens nothing', async () => {
    const { key, prefix } = await aUserKey();
    const [row] = await unitOfWork.query(
      `SELECT to_jsonb(k) - 'hash' AS shown, hash FROM api_keys k WHERE prefix = $1`,
      [prefix],
    );
    const secret = key.split('_')[3]!;
    expect(JSON.stringify(row!.shown)).not.toContain(secret);
    expect((row!.hash as Buffer).length).toBe(32);
    expect((row!.hash as Buffer).toString('hex')).not.toBe(secret);
  });

  it('do nothing when their transaction does not commit', async () => {
    const project_id = await aProject();
    let text = '';
    const attempt = unitOfWork.run(async (tx) => {
      text = (await here.createKey(tx, { project_id, name: 'k', kind: 'runner' })).key;
      throw new Error('later step failed');
    });
    await expect(attempt).rejects.toThrow('later step failed');
    await expect(here.authenticate(text)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('of an unknown project cannot be made', async () => {
    const nobody = '00000000-0000-7000-8000-000000000000';
    await expect(aKey({ project_id: nobody, name: 'k', kind: 'runner' })).rejects.toThrow(/api_keys_project_fkey/);
  });

  it('answer alike when malformed, unknown, of another secret, expired or revoked', async () => {
    const { key } = await aUserKey();
    const project_id = await aProject();
    const expired = await aKey({ project_id, name: 'k', kind: 'runner', expires_at: new Date(Date.now() - 1_000) });
    const revoked = await aKey({ project_id, name: 'k', kind: 'runner' });
    await unitOfWork.run((tx) => here.revokeKey(tx, project_id, revoked.id, null));
    const otherSecret = `${key.slice(0, -64)}${'0'.repeat(64)}`;
    const unknown = `hf_user_${'0'.repeat(16)}_${'0'.repeat(64)}`;

    for (const text of ['nonsense', unknown, otherSecret, expired.key, revoked.key]) {
      await expect(here.authenticate(text)).rejects.toMatchObject({ code: 'unauthenticated', members: {} });
    }
  });

  it('expire even while they are cached', async () => {
    const expires_at = new Date(Date.now() + 60_000);
    const { key } = await aKey({ project_id: await aProject(), name: 'k', kind: 'runner', expires_at });
    await here.authenticate(key);
    jest.spyOn(Date, 'now').mockReturnValue(expires_at.getTime());
    await expect(here.authenticate(key)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('need no query while they are cached', async () => {
    const { key } = await aUserKey();
    await here.authenticate(key);
    const query = jest.spyOn(unitOfWork, 'queryOne');
    await here.authenticate(key);
    expect(query).not.toHaveBeenCalled();
  });

  it('never reach the database when malformed', async () => {
    const query = jest.spyOn(unitOfWork, 'queryOne');
    await expect(here.authenticate(`hf_user_'; --_x`)).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(query).not.toHaveBeenCalled();
  });

  it('A11: end at once where they are revoked, and within 5 s everywhere else', async () => {
    const project_id = await aProject();
    const { id, key } = await aKey({ project_id, name: 'k', kind: 'runner' });
    await here.authenticate(key);
    await elsewhere.authenticate(key);

    await unitOfWork.run((tx) => here.revokeKey(tx, project_id, id, null));
    await expect(here.authenticate(key)).rejects.toMatchObject({ code: 'unauthenticated' });
    later(5_000);
    await expect(elsewhere.authenticate(key)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('keep the first revocation when revoked again', async () => {
    const project_id = await aProject();
    const { id } = await aKey({ project_id, name: 'k', kind: 'runner' });
    const [first, second] = [await aUserKey(), await aUserKey()];
    await unitOfWork.run((tx) => here.revokeKey(tx, project_id, id, first.id));
    const read = () =>
      unitOfWork.queryOne(`SELECT revoked_at, revoked_by_id FROM api_keys WHERE project_id = $1 AND id = $2`, [
        project_id,
        id,
      ]);
    const before = await read();
    expect(before).toEqual({ revoked_at: expect.any(Date), revoked_by_id: first.id });

    await unitOfWork.run((tx) => here.revokeKey(tx, project_id, id, second.id));
    expect(await read()).toEqual(before);
  });

  it('of another project are not found', async () => {
    const { id, key } = await aUserKey();
    const stranger = await aProject();
    const revoke = unitOfWork.run((tx) => here.revokeKey(tx, stranger, id, null));
    await expect(revoke).rejects.toMatchObject({ code: 'api_key_not_found', kind: 'not-found' });
    await expect(here.authenticate(key)).resolves.toMatchObject({ key_id: id });
  });
});

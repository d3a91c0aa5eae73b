import pg from 'pg';
import { testPostgres, type TestPostgres } from '../src/test-postgres.js';

let runs = 0;

class CreateBoxes1794000000001 {
  name = 'CreateBoxes1794000000001';
  async up(runner: { query(sql: string): Promise<unknown> }) {
    runs += 1;
    await runner.query('CREATE TABLE boxes (id integer PRIMARY KEY)');
  }
  async down() {}
}

const boxes = { migrations: [CreateBoxes1794000000001] };
const databases: TestPostgres[] = [];

async function database(): Promise<TestPostgres> {
  const made = await testPostgres([boxes]);
  databases.push(made);
  return made;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  return client
    .query(sql)
    .then(({ rows }) => rows)
    .finally(() => client.end());
}

afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(databases.splice(0).map((made) => made.drop()));
});

test('callers at the same time get databases of their own, migrated once', async () => {
  const [first, second] = await Promise.all([database(), database()]);
  await query(first.url, 'INSERT INTO boxes VALUES (1)');
  expect(await query(first.url, 'SELECT id FROM boxes')).toEqual([{ id: 1 }]);
  expect(await query(second.url, 'SELECT id FROM boxes')).toEqual([]);
  expect(runs).toBe(1);
});

test('drop removes a database that still has a connection', async () => {
  const made = await database();
  const open = new pg.Client(made.url);
  open.on('error', () => undefined);
  await open.connect();
  await made.drop();
  await expect(query(made.url, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
});

test('a migration that fails leaves no template behind', async () => {
  let fails = true;
  class CreateJars1794000000002 {
    name = 'CreateJars1794000000002';
    async up(runner: { query(sql: string): Promise<unknown> }) {
      if (fails) throw new Error('no jars today');
      await runner.query('CREATE TABLE jars (id integer)');
    }
    async down() {}
  }
  jest.spyOn(console, 'log').mockImplementation(); // TypeORM prints the failure
  const jars = { migrations: [CreateJars1794000000002] };
  await expect(testPostgres([jars])).rejects.toThrow('no jars today');
  fails = false;
  const made = await testPostgres([jars]);
  databases.push(made);
  expect(await query(made.url, 'SELECT id FROM jars')).toEqual([]);
});

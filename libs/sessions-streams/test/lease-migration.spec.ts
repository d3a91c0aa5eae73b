import { randomUUID } from 'node:crypto';
import { durableStreamsPersistence } from '@holdfast/durable-streams';
import { createDataSource, migrate, platformPersistence } from '@holdfast/platform-postgres';
import { eventually, testPostgres } from '@holdfast/testing';
import { TuneLeases1794000012000 } from '../src/migrations/1794000012000-tune-leases.js';
import { sessionsStreamsPersistence } from '../src/index.js';

it('the schema of leases goes back and forth, and turns that have an owner keep it', async () => {
  const persistence = [platformPersistence, durableStreamsPersistence, sessionsStreamsPersistence];
  const database = await testPostgres(persistence);
  const config = { url: database.url, poolSize: 1, applicationName: 'test' };
  const dataSource = await createDataSource(config, persistence).initialize();
  const runner = dataSource.createQueryRunner();
  const migration = new TuneLeases1794000012000();
  const indexes = async () =>
    ((await runner.query(`SELECT indexname FROM pg_indexes WHERE tablename = 'session_streams'`)) as object[]).length;
  const [project_id, turn_id, replica_id] = [randomUUID(), randomUUID(), randomUUID()];

  const step = async (direction: 'up' | 'down') => {
    await runner.startTransaction();
    await migration[direction](runner);
    await runner.commitTransaction();
  };

  await step('down');
  const before = await indexes();
  await runner.query(
    `INSERT INTO session_turns (project_id, turn_id, session_id, turn_index, status, pool, agent_name, agent_revision,
                                harness, prompt, epoch, created_by_id)
     VALUES ($1, $2, 's', 0, 'running', 'default', 'a', 1, 'scripted', 'hi', 7, $3)`,
    [project_id, turn_id, replica_id],
  );
  await runner.query(
    `INSERT INTO session_streams (project_id, session_id, current_turn_id, owner_replica_id, lease_until)
     VALUES ($1, 's', $2, $3, now()), ($1, 'idle', NULL, NULL, NULL)`,
    [project_id, turn_id, replica_id],
  );
  await step('up');
  expect(await runner.query(`SELECT session_id, owner_epoch::int FROM session_streams ORDER BY session_id`)).toEqual([
    { session_id: 'idle', owner_epoch: null },
    { session_id: 's', owner_epoch: 7 },
  ]);
  expect(await indexes()).toBe(before - 1);
  await step('down');
  expect(await indexes()).toBe(before);

  await runner.release();
  await dataSource.destroy();
  await database.drop();
});

it('the schema of turns makes way for a process that starts a turn meanwhile, and is there after it', async () => {
  const persistence = [platformPersistence, durableStreamsPersistence, sessionsStreamsPersistence];
  const database = await testPostgres(persistence);
  const config = { url: database.url, poolSize: 3, applicationName: 'test' };
  const dataSource = await createDataSource(config, persistence).initialize();
  for (let newest = ''; newest !== 'ExtendTurns1794000011000';) {
    [{ name: newest }] = (await dataSource.query(
      `SELECT name FROM schema_migrations ORDER BY timestamp DESC LIMIT 1`,
    )) as [{ name: string }];
    await dataSource.undoLastMigration();
  }
  const old = dataSource.createQueryRunner();
  const project_id = randomUUID();

  await old.startTransaction();
  await old.query(`INSERT INTO session_streams (project_id, session_id) VALUES ($1, 's')`, [project_id]);
  const migrated = migrate(config, persistence);
  await eventually(async () => {
    const [row] = (await dataSource.query(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'relation'`,
    )) as [{ waiting: number }];
    if (!row.waiting) throw new Error('the migration does not wait yet');
  });
  await old.query(
    `INSERT INTO session_turns (project_id, turn_id, session_id, turn_index, status, pool, agent_name, agent_revision,
                                harness, prompt, created_by_id)
     VALUES ($1, $2, 's', 0, 'queued', 'default', 'a', 1, 'scripted', 'hi', $1)`,
    [project_id, randomUUID()],
  );
  await old.commitTransaction();
  expect(await migrated).toEqual(expect.arrayContaining(['ExtendTurns1794000011000', 'TuneLeases1794000012000']));
  expect(
    await dataSource.query(
      `SELECT conname FROM pg_constraint WHERE conrelid = 'session_turns'::regclass AND NOT convalidated`,
    ),
  ).toEqual([]);

  await old.release();
  await dataSource.destroy();
  await database.drop();
});

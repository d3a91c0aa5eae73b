import { createDataSource, migrate, platformPersistence } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { sessionsTriggersPersistence } from '../src/index.js';

it('the index of closed deliveries goes back and forth, and replaces one that was left half made', async () => {
  const persistence = [platformPersistence, sessionsTriggersPersistence];
  const database = await testPostgres(persistence);
  const config = { url: database.url, poolSize: 2, applicationName: 'test' };
  const dataSource = await createDataSource(config, persistence).initialize();
  const isValid = () =>
    dataSource.query(`SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('trigger_deliveries_closed')`);

  expect(await isValid()).toEqual([{ indisvalid: true }]);
  await dataSource.undoLastMigration();
  expect(await isValid()).toEqual([]);
  await dataSource.query(`CREATE INDEX trigger_deliveries_closed ON trigger_deliveries (status)`);
  expect(await migrate(config, persistence)).toEqual(['FindOldDeliveries1794000052000']);
  const [index] = (await dataSource.query(
    `SELECT indexdef FROM pg_indexes WHERE indexname = 'trigger_deliveries_closed'`,
  )) as { indexdef: string }[];
  expect(index!.indexdef).toContain('(closed_at)');

  await dataSource.destroy();
  await database.drop();
});

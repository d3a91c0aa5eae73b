import { createDataSource } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { persistence } from '../src/index.js';

describe('every entity', () => {
  it('has exactly the columns of its table, as the migrations leave it', async () => {
    const database = await testPostgres(persistence);
    const config = { url: database.url, poolSize: 1, applicationName: 'test' };
    const dataSource = await createDataSource(config, persistence).initialize();
    const mapped = dataSource.entityMetadatas.flatMap(({ tableName, columns }) =>
      columns.map((column) => ({
        table_name: tableName,
        column_name: column.databaseName,
        data_type: column.isArray ? 'ARRAY' : dataSource.driver.normalizeType(column),
        precision: column.precision ?? null,
        nullable: column.isNullable,
      })),
    );
    const actual: object[] = await dataSource.query(
      `SELECT table_name, column_name, data_type, nullif(datetime_precision, 6) AS precision, is_nullable = 'YES' AS nullable
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name = ANY($1)`,
      [dataSource.entityMetadatas.map(({ tableName }) => tableName)],
    );
    expect(mapped.length).toBeGreaterThan(0);
    expect(mapped).toHaveLength(actual.length);
    expect(mapped).toEqual(expect.arrayContaining(actual));
    await dataSource.destroy();
    await database.drop();
  });
});

it('D9: no table has an index that is another one, or a constraint, again', async () => {
  const database = await testPostgres(persistence);
  const dataSource = await createDataSource(
    { url: database.url, poolSize: 1, applicationName: 'test' },
    [],
  ).initialize();
  const twins: object[] = await dataSource.query(
    `SELECT indrelid::regclass AS "table", array_agg(indexrelid::regclass::text) AS indexes
       FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
      WHERE relnamespace = 'public'::regnamespace
      GROUP BY indrelid, relam, indkey::text, indclass::text, indoption::text,
               pg_get_expr(indexprs, indrelid), pg_get_expr(indpred, indrelid)
     HAVING count(*) > 1`,
  );
  expect(twins).toEqual([]);
  await dataSource.destroy();
  await database.drop();
});

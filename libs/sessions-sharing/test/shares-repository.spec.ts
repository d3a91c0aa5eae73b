import { randomUUID } from 'node:crypto';
import { authPersistence } from '@holdfast/platform-auth';
import { createDataSource, platformPersistence, UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { sessionsSharingPersistence } from '../src/persistence.js';
import { SharesRepository } from '../src/shares/shares.repository.js';

const OTHERS = 5_000;
const project_id = randomUUID();
const root = { task_id: randomUUID(), session_id: 'root' };
const child = { task_id: randomUUID(), session_id: 'child' };

let unitOfWork: UnitOfWork;
let close: () => Promise<void>;

beforeAll(async () => {
  const postgres = await testPostgres([platformPersistence, authPersistence, sessionsSharingPersistence]);
  const config = { url: postgres.url, poolSize: 2, applicationName: 'sessions-sharing-test' };
  const dataSource = await createDataSource(config, []).initialize();
  close = async () => {
    await dataSource.destroy();
    await postgres.drop();
  };
  unitOfWork = new UnitOfWork(dataSource);
  await plant(root, []);
  await plant(child, [root.task_id]);
  await unitOfWork.query(
    `INSERT INTO tasks (project_id, task_id, root_task_id, ancestor_ids, depth, spawn_order, spawn_path, location, state,
                        source, session_id)
     SELECT $1, id, id, '{}', 0, 1, '{}', 'remote', 'queued', 'api', id::text
       FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $2)) others`,
    [project_id, OTHERS],
  );
  await unitOfWork.query(
    `INSERT INTO shares (project_id, share_id, task_id, scope, role, source_type, origin)
     SELECT project_id, gen_random_uuid(), task_id, 'tree', 'reader', 'ambient_agent', 'automatic' FROM tasks`,
  );
  await unitOfWork.query(
    `INSERT INTO shares (project_id, share_id, session_id, scope, role, source_type, origin)
     SELECT project_id, gen_random_uuid(), session_id, 'tree', 'reader', 'user', 'explicit' FROM tasks`,
  );
  await unitOfWork.query(`ANALYZE tasks`);
  await unitOfWork.query(`ANALYZE shares`);
});
afterAll(() => close?.());

function plant({ task_id, session_id }: typeof root, ancestor_ids: string[]) {
  return unitOfWork.query(
    `INSERT INTO tasks (project_id, task_id, parent_task_id, root_task_id, ancestor_ids, depth, spawn_order, spawn_path,
                        location, state, source, session_id)
     VALUES ($1, $2, $3, $4, $5, cardinality($5::uuid[]), 1, array_fill(1, ARRAY[cardinality($5::uuid[])]), 'remote',
             'queued', 'api', $6)`,
    [project_id, task_id, ancestor_ids.at(-1) ?? null, ancestor_ids[0] ?? task_id, ancestor_ids, session_id],
  );
}

interface PlanNode {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

/** Rows of tables that a plan went through, those that it dropped included. */
function rowsRead(node: PlanNode): number {
  const own = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
  const below = (node.Plans ?? []).map(rowsRead).reduce((sum, rows) => sum + rows, 0);
  return (node['Relation Name'] ? own : 0) + below;
}

describe('a project with very many shares', () => {
  let read = 0;
  /** Runs each statement, and says how much it read instead of what it answers. */
  const explaining = {
    async query(sql: string, values: unknown[]) {
      const [row] = await unitOfWork.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
        values,
      );
      read += rowsRead(row!['QUERY PLAN'][0]!.Plan);
      return [];
    },
  };
  const shares = new SharesRepository(explaining as unknown as UnitOfWork);
  beforeEach(() => (read = 0));

  it.each([
    [
      'what is shared of a session is listed',
      () => shares.list(project_id, { session_id: child.session_id, include_ended: false }, undefined, undefined, 50),
    ],
    [
      'what is shared of a task is listed',
      () => shares.list(project_id, { task_id: child.task_id, include_ended: false }, undefined, undefined, 50),
    ],
    [
      'the shares are told through which a session is open',
      () => shares.openings({ project_id, session_id: child.session_id }, undefined, 50),
    ],
    [
      'the shares of a host end with it',
      () =>
        shares.endOfHost(
          explaining as unknown as Transaction,
          { project_id, session_id: child.session_id },
          'killed',
          null,
        ),
    ],
  ])('costs no more where %s: only those shares and tasks are read', async (_, look) => {
    await look();
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThan(100);
  });
});

import { randomUUID } from 'node:crypto';
import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import type { DataSource } from 'typeorm';
import { ApiKeys, authPersistence, ProjectSettingsService } from '../src/index.js';

let database: Awaited<ReturnType<typeof testPostgres>>;
let dataSource: DataSource;
let unitOfWork: UnitOfWork;
let settings: ProjectSettingsService;

beforeAll(async () => {
  database = await testPostgres([authPersistence]);
  const config = { url: database.url, poolSize: 2, applicationName: 'test' };
  dataSource = await createDataSource(config, [authPersistence]).initialize();
  unitOfWork = new UnitOfWork(dataSource);
  settings = new ProjectSettingsService(unitOfWork);
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

const aProject = () => unitOfWork.run((tx) => new ApiKeys(unitOfWork).createProject(tx, { name: 'test' }));
const allowsBypass = (project_id: string) => unitOfWork.run((tx) => settings.allowsApprovalBypass(tx, project_id));

describe('the settings of a project', () => {
  it('allow no bypass of approvals unless somebody said so, nor does an unknown project', async () => {
    const project_id = await aProject();
    expect(await settings.fetch(project_id)).toMatchObject({ allow_approval_bypass: false, updated_by_id: null });
    expect(await allowsBypass(project_id)).toBe(false);
    expect(await allowsBypass(randomUUID())).toBe(false);
  });

  it('are changed where a change names them, for their own project, and tell who did', async () => {
    const [project_id, another] = [await aProject(), await aProject()];
    const [first, second] = [randomUUID(), randomUUID()];
    const changed = await settings.edit(project_id, first, { allow_approval_bypass: true });
    expect(changed).toEqual({
      allow_approval_bypass: true,
      updated_at: expect.stringMatching(/Z$/),
      updated_by_id: first,
    });
    expect(await settings.edit(project_id, second, {})).toMatchObject({
      allow_approval_bypass: true,
      updated_by_id: second,
    });
    expect([await allowsBypass(project_id), await allowsBypass(another)]).toEqual([true, false]);
    await settings.edit(project_id, first, { allow_approval_bypass: false });
    expect(await allowsBypass(project_id)).toBe(false);
  });
});

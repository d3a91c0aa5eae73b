import { seedAgents } from '@holdfast/agents';
import { ApiKeys, PERMISSIONS } from '@holdfast/platform-auth';
import { isDomainError } from '@holdfast/platform-errors';
import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { persistence } from '@holdfast/sessions';
import { existingKeys, serviceConfig } from '../config.js';

/**
 * `node dist/commands/bootstrap.js`: makes a first project with its default agents, a user's key with every permission
 * and a runner's key, and prints `{"project_id", "api_key", "runner_key"}`. Keys given by HOLDFAST_API_KEY and
 * HOLDFAST_RUNNER_KEY are kept when both still open the same project.
 */
const config = serviceConfig();
const dataSource = await createDataSource(
  { url: config.directUrl, poolSize: 2, applicationName: 'holdfast-bootstrap' },
  persistence,
).initialize();
const unitOfWork = new UnitOfWork(dataSource);
const apiKeys = new ApiKeys(unitOfWork);

console.log(JSON.stringify((await existingProject()) ?? (await newProject())));
await dataSource.destroy();

async function existingProject() {
  const { api_key, runner_key } = existingKeys();
  if (!api_key || !runner_key) return undefined;
  const [user, runner] = await Promise.all([api_key, runner_key].map((key) => principalOf(key)));
  if (user?.kind !== 'user' || runner?.kind !== 'runner' || user.project_id !== runner.project_id) return undefined;
  return { project_id: user.project_id, api_key, runner_key };
}

async function principalOf(key: string) {
  try {
    return await apiKeys.authenticate(key);
  } catch (error) {
    if (isDomainError(error, 'unauthenticated')) return undefined;
    throw error;
  }
}

function newProject() {
  return unitOfWork.run(async (tx) => {
    const project_id = await apiKeys.createProject(tx, { name: 'default' });
    await seedAgents(tx, project_id);
    const user = await apiKeys.createKey(tx, {
      project_id,
      name: 'first user',
      kind: 'user',
      permissions: [...PERMISSIONS],
    });
    const runner = await apiKeys.createKey(tx, { project_id, name: 'first runner', kind: 'runner' });
    return { project_id, api_key: user.key, runner_key: runner.key };
  });
}

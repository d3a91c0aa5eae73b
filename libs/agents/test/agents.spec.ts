import { randomUUID } from 'node:crypto';
import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { testPostgres, type TestPostgres } from '@holdfast/testing';
import { DataSource } from 'typeorm';
import { AgentsModule } from '../src/agents.module.js';
import { AgentsReader } from '../src/agents.reader.js';
import { AgentsService } from '../src/agents.service.js';
import type { AgentSet } from '../src/dto/agent-set.dto.js';
import { AddPushTargets1794000002100 } from '../src/migrations/1794000002100-add-push-targets.js';
import { agentsPersistence } from '../src/persistence.js';
import { seedAgents } from '../src/seed-agents.js';

@Global()
@Module({
  providers: [
    { provide: DataSource, useFactory: () => dataSource },
    { provide: UnitOfWork, useFactory: () => unitOfWork },
  ],
  exports: [DataSource, UnitOfWork],
})
class TestPlatform {}

let postgres: TestPostgres;
let dataSource: DataSource;
let unitOfWork: UnitOfWork;
let service: AgentsService;
let reader: AgentsReader;

beforeAll(async () => {
  postgres = await testPostgres([agentsPersistence]);
  const config = { url: postgres.url, poolSize: 20, applicationName: 'agents-test' };
  dataSource = await createDataSource(config, [agentsPersistence]).initialize();
  unitOfWork = new UnitOfWork(dataSource);
  // Callers that have to connect first would come one after the other instead of racing.
  await Promise.all(Array.from({ length: 20 }, () => unitOfWork.query('SELECT 1')));
  const app = await Test.createTestingModule({
    imports: [TestPlatform, AgentsModule.forRoot({ pushReach: 'public' })],
  }).compile();
  service = app.get(AgentsService);
  reader = app.get(AgentsReader);
});

afterAll(async () => {
  await dataSource?.destroy();
  await postgres?.drop();
});

const aProject = () => ({ project_id: randomUUID(), by_id: randomUUID() });

const resolve = (project_id: string, reference: { name: string; revision?: number }) =>
  unitOfWork.run((tx) => reader.resolve(tx, project_id, reference));

describe('setting an agent', () => {
  it('makes revision 1 with the defaults spelled out', async () => {
    const owner = aProject();

    const { agent, created } = await service.setAgent(owner, 'helper', { harness: 'codex' });

    expect(created).toBe(true);
    expect(agent).toEqual({
      name: 'helper',
      revision: 1,
      harness: 'codex',
      pool: 'default',
      push_url: null,
      labels: [],
      max_attempts: 3,
      model: null,
      environment: {},
      command: null,
      drive: 'acp',
      approvals: 'ask',
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
      created_by_id: owner.by_id,
      updated_at: agent.created_at,
      updated_by_id: owner.by_id,
    });
    expect(await reader.fetchAgent(owner.project_id, 'helper')).toEqual(agent);
  });

  it('makes no revision of the same content, in whatever order its variables and labels come', async () => {
    const owner = aProject();
    const set: AgentSet = {
      harness: 'acp',
      pool: 'gpu',
      labels: ['zone=eu', 'gpu=a100'],
      command: ['run', ''],
      environment: { A: '1', B: '2' },
    };
    const first = await service.setAgent(owner, 'helper', set);

    const again = await service.setAgent({ ...owner, by_id: randomUUID() }, 'helper', {
      ...set,
      labels: ['gpu=a100', 'zone=eu', 'gpu=a100'],
      environment: { B: '2', A: '1' },
    });

    expect(again).toEqual({ agent: first.agent, created: false });
  });

  it.each<[string, Partial<AgentSet>]>([
    ['harness', { harness: 'gemini' }],
    ['pool', { pool: 'gpu' }],
    ['labels', { labels: ['gpu=a100'] }],
    ['max_attempts', { max_attempts: 1 }],
    ['model', { model: 'big' }],
    ['environment', { environment: { A: '2' } }],
    ['command', { command: ['run', '--slow'] }],
    ['approvals', { approvals: 'deny' }],
  ])('makes the next revision when the %s differs', async (_, change) => {
    const owner = aProject();
    const set: AgentSet = { harness: 'claude', model: 'small', environment: { A: '1' }, command: ['run'] };
    await service.setAgent(owner, 'helper', set);
    const other = { ...owner, by_id: randomUUID() };

    const { agent, created } = await service.setAgent(other, 'helper', { ...set, ...change });

    expect(created).toBe(false);
    expect(agent).toMatchObject({
      ...set,
      ...change,
      revision: 2,
      created_by_id: owner.by_id,
      updated_by_id: other.by_id,
    });
  });

  it('makes the next revision when the drive differs', async () => {
    const owner = aProject();
    await service.setAgent(owner, 'helper', { harness: 'claude' });
    const { agent } = await service.setAgent(owner, 'helper', { harness: 'claude', drive: 'cli' });
    expect(agent).toMatchObject({ revision: 2, drive: 'cli' });
  });

  it('keeps nothing of what is left out', async () => {
    const owner = aProject();
    await service.setAgent(owner, 'helper', { harness: 'codex', model: 'small', environment: { A: '1' } });

    const { agent } = await service.setAgent(owner, 'helper', { harness: 'codex' });

    expect(agent).toMatchObject({ revision: 2, model: null, environment: {} });
  });

  it('makes one revision when many set the same at once', async () => {
    const owner = aProject();

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => service.setAgent(owner, 'helper', { harness: 'codex', model: 'new' })),
    );

    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(answers.map(({ agent }) => agent.revision))).toEqual(new Set([1]));
  });

  it('gives each of many different contents a revision of its own', async () => {
    const owner = aProject();

    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => service.setAgent(owner, 'helper', { harness: 'codex', model: `m${i}` })),
    );

    const revisions = answers.map(({ agent }) => agent.revision).sort((a, b) => a - b);
    expect(revisions).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    for (const { agent } of answers) {
      expect(await resolve(owner.project_id, agent)).toMatchObject({ model: agent.model });
    }
  });
});

describe('resolving a reference', () => {
  it('means the current revision unless one is named', async () => {
    const owner = aProject();
    await service.setAgent(owner, 'helper', { harness: 'codex', model: 'old', environment: { A: '1' } });
    await service.setAgent(owner, 'helper', { harness: 'claude', model: 'new' });

    expect(await resolve(owner.project_id, { name: 'helper' })).toMatchObject({ revision: 2, model: 'new' });
    const first = { name: 'helper', revision: 1 };
    const expected = {
      ...first,
      harness: 'codex',
      pool: 'default',
      push_url: null,
      labels: [],
      max_attempts: 3,
      model: 'old',
      environment: { A: '1' },
      command: null,
      drive: 'acp',
      approvals: 'ask',
    };
    expect(await resolve(owner.project_id, first)).toEqual(expected);
    expect(await reader.fetchRevision(owner.project_id, first)).toEqual(expected);
  });

  it('tells an unknown agent from an unknown revision', async () => {
    const { project_id, by_id } = aProject();
    await service.setAgent({ project_id, by_id }, 'helper', { harness: 'codex' });

    await expect(resolve(project_id, { name: 'nobody' })).rejects.toMatchObject({ code: 'agent_not_found' });
    for (const revision of [2, 2 ** 31, 1e300]) {
      await expect(resolve(project_id, { name: 'helper', revision })).rejects.toMatchObject({
        code: 'agent_revision_not_found',
      });
    }
    await expect(reader.fetchRevision(project_id, { name: 'helper', revision: 2 })).rejects.toMatchObject({
      code: 'agent_revision_not_found',
    });
  });

  it('never finds an agent of another project', async () => {
    const owner = aProject();
    const stranger = aProject();
    await service.setAgent(owner, 'helper', { harness: 'codex' });

    await expect(resolve(stranger.project_id, { name: 'helper' })).rejects.toMatchObject({ code: 'agent_not_found' });
    await expect(reader.fetchAgent(stranger.project_id, 'helper')).rejects.toMatchObject({ code: 'agent_not_found' });
    expect(await reader.queryAgents(stranger.project_id, { limit: 50 })).toEqual({ data: [], next_cursor: null });
  });
});

describe('a push target', () => {
  it('keeps where its turns go, in place of a pool', async () => {
    const owner = aProject();
    const set: AgentSet = { harness: 'push', push_url: 'https://agent.example/start', max_attempts: 1 };

    const { agent } = await service.setAgent(owner, 'helper', set);

    expect(agent).toMatchObject({ ...set, pool: null, labels: [] });
    expect(await resolve(owner.project_id, agent)).toMatchObject({ ...set, pool: null, labels: [] });
  });

  it.each([
    'http://agent.example/',
    'https://10.0.0.1/',
    'https://localhost/',
    'https://user:key@agent.example/',
    'agent',
  ])('is refused unless its configuration allows it: %s', async (push_url) => {
    const owner = aProject();
    await expect(service.setAgent(owner, 'helper', { harness: 'push', push_url })).rejects.toMatchObject({
      code: 'push_url_rejected',
    });
    await expect(reader.fetchAgent(owner.project_id, 'helper')).rejects.toMatchObject({ code: 'agent_not_found' });
  });

  it('is told how it may be allowed only where that would help', async () => {
    const refusal = (push_url: string) =>
      service.setAgent(aProject(), 'helper', { harness: 'push', push_url }).catch(({ message }: Error) => message);
    expect(await refusal('http://10.0.0.1/')).toContain('PUSH_ALLOW_PRIVATE');
    expect(await refusal('http://169.254.169.254/')).not.toContain('PUSH_ALLOW_PRIVATE');
  });

  it('may be in a private network where that is configured', async () => {
    const app = await Test.createTestingModule({
      imports: [TestPlatform, AgentsModule.forRoot({ pushReach: 'private' })],
    }).compile();
    const set: AgentSet = { harness: 'push', push_url: 'http://10.0.0.1:8080/start' };
    expect((await app.get(AgentsService).setAgent(aProject(), 'helper', set)).agent).toMatchObject(set);
  });
});

describe('listing agents', () => {
  it('pages through all of them by name', async () => {
    const owner = aProject();
    for (const name of ['b', 'd', 'a', 'c']) await service.setAgent(owner, name, { harness: 'codex' });

    const first = await reader.queryAgents(owner.project_id, { limit: 2 });
    const second = await reader.queryAgents(owner.project_id, { limit: 2, cursor: first.next_cursor! });

    expect([first, second].map(({ data }) => data.map(({ name }) => name))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(second.next_cursor).toBeNull();
  });
});

describe('seeding a project', () => {
  it('gives it an agent of each harness that needs no command, and leaves those that exist alone', async () => {
    const owner = aProject();
    await service.setAgent(owner, 'codex', { harness: 'codex', model: 'mine' });

    await unitOfWork.run((tx) => seedAgents(tx, owner.project_id));
    await unitOfWork.run((tx) => seedAgents(tx, owner.project_id));

    const { data } = await reader.queryAgents(owner.project_id, { limit: 50 });
    expect(data.map(({ name, harness, model, revision }) => [name, harness, model, revision])).toEqual([
      ['claude', 'claude', null, 1],
      ['codex', 'codex', 'mine', 1],
      ['gemini', 'gemini', null, 1],
      ['opencode', 'opencode', null, 1],
      ['scripted', 'scripted', null, 1],
    ]);
    expect(await resolve(owner.project_id, { name: 'scripted' })).toMatchObject({ pool: 'default', environment: {} });
  });

  it('makes agents that can be set like any other', async () => {
    const owner = aProject();
    await unitOfWork.run((tx) => seedAgents(tx, owner.project_id));

    const same = await service.setAgent(owner, 'claude', { harness: 'claude' });
    const other = await service.setAgent(owner, 'claude', { harness: 'claude', model: 'big' });

    expect(same).toMatchObject({ created: false, agent: { revision: 1, created_by_id: null } });
    expect(other).toMatchObject({ created: false, agent: { revision: 2, updated_by_id: owner.by_id } });
  });
});

describe('the migration that adds push targets', () => {
  it('can be taken back and made again: an agent falls back to what a runner hosts', async () => {
    const { url, drop } = await testPostgres([agentsPersistence]);
    const config = { url, poolSize: 2, applicationName: 'agents-test' };
    const source = await createDataSource(config, [agentsPersistence]).initialize();
    const runner = source.createQueryRunner();
    const project_id = randomUUID();
    await source.query(
      `WITH made AS (
         INSERT INTO agents (project_id, name, current_revision)
         SELECT $1, name, revision FROM (VALUES ('mixed', 2), ('pushed', 1)) AS agent(name, revision))
       INSERT INTO agent_revisions (project_id, name, revision, harness, pool, push_url, environment)
       VALUES ($1, 'mixed', 1, 'codex', 'default', NULL, '{}'), ($1, 'mixed', 2, 'push', NULL, 'https://x/', '{}'),
              ($1, 'pushed', 1, 'push', NULL, 'https://x/', '{}')`,
      [project_id],
    );
    const migration = new AddPushTargets1794000002100();

    await migration.down(runner);
    expect(await source.query(`SELECT name, current_revision FROM agents`)).toEqual([
      { name: 'mixed', current_revision: 1 },
    ]);
    await migration.up(runner);
    expect(await source.query(`SELECT pool, push_url, labels, max_attempts FROM agent_revisions`)).toEqual([
      { pool: 'default', push_url: null, labels: [], max_attempts: 3 },
    ]);

    await runner.release();
    await source.destroy();
    await drop();
  });
});

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CreateSessionFlow } from '../src/index.js';
import { startFlows, type Flows, type Project } from './flows-fixture.js';

describe('starting a turn', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newId = () => `s-${randomUUID()}`;

  it('D2, D8: a session is made by its own id, in every domain or in none, once however often it is asked for', async () => {
    const session = { project_id: project.project_id, session_id: newId() };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => flows.app.get(CreateSessionFlow).run(session, {}, project.principal.key_id)),
    );
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(await project.types(session.session_id)).toEqual(['session.created']);
  });

  it('D2: of first prompts at once one starts a turn, and the others find the session in use', async () => {
    const session_id = newId();
    const settled = await Promise.allSettled(Array.from({ length: 8 }, () => project.send(session_id)));
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const one of settled) if (one.status === 'rejected') expect(one.reason.code).toBe('session_in_use');
  });

  it('a prompt that is refused leaves no session behind', async () => {
    const session_id = newId();
    await expect(project.send(session_id, { agent: { name: 'nobody' } })).rejects.toMatchObject({
      code: 'agent_not_found',
    });
    await expect(project.stream(session_id)).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('prompts by the dozen need no more connections than there are', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => project.send(newId())));
    expect(new Set(answers).size).toBe(40);
  });

  it('a principal that may not run sessions starts no turn, whichever way it came', async () => {
    const viewer = { ...project.principal, permissions: ['VIEW_SESSIONS' as const] };
    for (const command of [{}, { force: true }, { on_busy: 'queue' as const }]) {
      await expect(
        project.invoke({ session_id: newId(), prompt: 'hi', ...command }, undefined, viewer),
      ).rejects.toMatchObject({ code: 'permission_denied' });
    }
  });

  it('J1: a retried invoke starts one turn, and is answered with it', async () => {
    const session_id = newId();
    const answers = await Promise.all(Array.from({ length: 6 }, () => project.send(session_id, {}, session_id)));
    expect(new Set(answers).size).toBe(1);
    expect(await project.types(session_id)).toEqual(['session.created', 'turn.queued']);
  });

  it('J1: a retried steer supersedes once, and a retried prompt for the inbox waits once', async () => {
    const session_id = newId();
    await project.send(session_id);
    const steers = await Promise.all([1, 2, 3].map(() => project.send(session_id, { force: true }, 'steer')));
    const queues = await Promise.all([1, 2, 3].map(() => project.send(session_id, { on_busy: 'queue' }, 'queue')));
    expect(new Set(steers).size).toBe(1);
    expect(await project.inbox(session_id)).toEqual([queues[0]]);
    expect((await project.types(session_id)).filter((type) => type === 'turn.superseded')).toHaveLength(1);
  });

  it('a key is judged before the state: a retry is no second prompt in a busy session', async () => {
    const session_id = newId();
    const first = await project.send(session_id, {}, 'mine');
    await expect(project.send(session_id)).rejects.toMatchObject({ code: 'session_in_use' });
    expect(await project.send(session_id, {}, 'mine')).toBe(first);
    await expect(project.send(session_id, { prompt: 'other' }, 'mine')).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
  });

  it('a new session runs the scripted agent; later turns run what the last one ran', async () => {
    const session_id = newId();
    const first = await project.send(session_id, { agent: { name: 'codex' } });
    expect(await project.turn(first)).toMatchObject({ harness: 'codex', agent: { name: 'codex', revision: 1 } });
    await project.cancel(session_id);
    expect((await project.turn(await project.send(session_id))).harness).toBe('codex');
    expect((await project.turn(await project.send(newId()))).harness).toBe('scripted');
  });

  it('without an agent, a session that somebody pushed a conversation to goes on with the agent of its harness', async () => {
    const session_id = newId();
    await flows.sql(
      `INSERT INTO native_conversations
         (project_id, conversation_id, session_id, harness, native_id, main_branch_id, newest_version)
       VALUES ($1, gen_random_uuid(), $2, 'codex', 'pushed', gen_random_uuid(), 1)`,
      [project.project_id, session_id],
    );
    expect(await project.turn(await project.send(session_id))).toMatchObject({
      agent: { name: 'codex' },
      harness: 'codex',
    });
  });

  it('G2: turns are numbered by the server, whoever starts them at once', async () => {
    const session_id = newId();
    for (let n = 0; n < 3; n++) {
      await Promise.allSettled([project.send(session_id), project.send(session_id)]);
      const { current_turn_id } = await project.stream(session_id);
      expect((await project.turn(current_turn_id!)).turn_index).toBe(n);
      await project.cancel(session_id);
    }
  });

  it('there is one way to start a turn: nothing but prepare-invoke.ts does', () => {
    const sources = (folder: string): string[] =>
      readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const file = path.join(folder, entry.name);
        if (entry.isDirectory()) return ['node_modules', 'dist', 'test'].includes(entry.name) ? [] : sources(file);
        return /(?<!\.spec)\.ts$/.test(entry.name) ? [file] : [];
      });
    const root = path.resolve(__dirname, '../../..');
    const server = ['apps/api', 'apps/workers', 'libs'].flatMap((folder) => sources(path.join(root, folder)));
    const callersOf = (call: RegExp) =>
      server.filter((file) => call.test(readFileSync(file, 'utf8'))).map((file) => path.basename(file));
    expect(callersOf(/\bturns\.(start|replace|promote)\(|\binbox\.(queue|steer|offer)\(/)).toEqual([
      'prepare-invoke.ts',
    ]);
    expect(callersOf(/\b(insertTurn|promoteTurn)\(/).sort()).toEqual([
      'session-turns.repository.ts',
      'session-turns.service.ts',
    ]);
  });
});

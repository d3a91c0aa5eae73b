import { randomUUID } from 'node:crypto';
import { DetachWatcherFlow } from '../src/index.js';
import { startFlows, type Flows, type Project } from './flows-fixture.js';

describe('who watches a session', () => {
  let flows: Flows;
  let project: Project;
  let sessions = 0;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newId = () => `s-${(sessions += 1)}`;
  const attach = async (session_id: string) => (await project.invoke({ session_id, force: true })).watcher_id!;
  const detach = (session_id: string, watcher_id: string) =>
    flows.app.get(DetachWatcherFlow).run({ project_id: project.project_id, session_id }, watcher_id);
  const changes = async (session_id: string) =>
    (await project.events(session_id)).filter(({ type }) => type === 'session.watcher_changed').map(({ data }) => data);
  const watcher = async (session_id: string) => (await project.stream(session_id)).watcher_id;

  it('B21: attaching displaces the one before at once, and the log says who', async () => {
    const session_id = newId();
    await project.send(session_id);
    const first = await attach(session_id);
    const second = await attach(session_id);
    expect(await changes(session_id)).toEqual([
      { watcher_id: first, previous_watcher_id: null, by_id: project.principal.key_id },
      { watcher_id: second, previous_watcher_id: first, by_id: project.principal.key_id },
    ]);
    expect(await project.liveness(session_id)).toMatchObject({ attached: true });
  });

  it('B21: nobody attaches to a session without a live turn, or to none', async () => {
    const session_id = newId();
    await expect(attach(session_id)).rejects.toMatchObject({ code: 'session_not_found' });
    await project.send(session_id);
    await project.cancel(session_id);
    await expect(attach(session_id)).rejects.toMatchObject({ code: 'no_live_turn' });
  });

  it('B21: a displaced watcher that detaches takes nothing from the one that displaced it', async () => {
    const session_id = newId();
    await project.send(session_id);
    const first = await attach(session_id);
    const second = await attach(session_id);
    expect(await detach(session_id, first)).toBe(false);
    expect(await watcher(session_id)).toBe(second);
    expect(await detach(session_id, second)).toBe(true);
    expect(await detach(session_id, second)).toBe(false);
    expect(await watcher(session_id)).toBeNull();
    expect(await changes(session_id)).toHaveLength(3);
  });

  it('of two who attach at once one is the watcher, and the other was displaced by it', async () => {
    const session_id = newId();
    await project.send(session_id);
    const both = await Promise.all([attach(session_id), attach(session_id)]);
    const last = (await changes(session_id)).at(-1) as { watcher_id: string; previous_watcher_id: string };
    expect([last.watcher_id, last.previous_watcher_id].sort()).toEqual([...both].sort());
    expect(await watcher(session_id)).toBe(last.watcher_id);
  });

  it('a detach changes nothing for the turn, and an unknown session is not found', async () => {
    const session_id = newId();
    const turn_id = await project.send(session_id);
    await detach(session_id, await attach(session_id));
    expect((await project.turn(turn_id)).status).toBe('queued');
    await expect(detach(newId(), randomUUID())).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('nobody watches a session once its turn has ended', async () => {
    const session_id = newId();
    await project.send(session_id);
    await attach(session_id);
    await project.cancel(session_id);
    expect(await project.liveness(session_id)).toMatchObject({ attached: false });
  });

  describe('and sent its prompt', () => {
    const stay = async (session_id: string, more = {}) =>
      (await project.invoke({ session_id, prompt: 'hello', ...more })).turn_id;

    it('watches the turn under its id', async () => {
      const session_id = newId();
      const turn_id = await stay(session_id);
      expect(await watcher(session_id)).toBe(turn_id);
      expect(await project.turn(turn_id)).toMatchObject({ detached: false });
    });

    it('watches it from when it goes in line, where it had to wait', async () => {
      const session_id = newId();
      const first = await stay(session_id);
      const second = await stay(session_id, { on_busy: 'queue' });
      expect(await watcher(session_id)).toBe(first);
      await project.cancel(session_id);
      expect(await watcher(session_id)).toBe(second);
    });

    it('does not watch it any more when it went away while that waited: it starts unattended', async () => {
      const session_id = newId();
      await project.send(session_id);
      const waiting = await stay(session_id, { on_busy: 'queue' });
      expect(await detach(session_id, waiting)).toBe(false);
      await project.cancel(session_id);
      expect(await project.turn(waiting)).toMatchObject({ status: 'queued', detached: true });
      expect(await watcher(session_id)).toBeNull();
    });
  });
});

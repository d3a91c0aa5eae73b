import { randomUUID } from 'node:crypto';
import { DetachWatcherFlow, type Invoked } from '../src/index.js';
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

    it('leaves nothing to be delivered, from the start of the turn to its end; whoever does not stay does', async () => {
      const delivered = async (session_id: string) => {
        const jobs = await flows.sql<{ turn_id: string }>(
          `SELECT payload->>'turn_id' AS turn_id FROM outbox
            WHERE job = 'reconcile-trigger-delivery' AND project_id = $1 AND payload->>'session_id' = $2`,
          [project.project_id, session_id],
        );
        return new Set(jobs.map(({ turn_id }) => turn_id));
      };
      const session_id = newId();
      await stay(session_id);
      const turn = await project.claim(session_id);
      await project.run(turn);
      await project.complete(turn);
      expect(await delivered(session_id)).toEqual(new Set());
      const unattended = await project.send(session_id);
      expect(await delivered(session_id)).toEqual(new Set([unattended]));
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

  describe('and sends its request once more under its key', () => {
    const stay = (session_id: string, key: string, more = {}) =>
      project.invoke({ session_id, prompt: 'hello', ...more }, key);
    const closed = (session_id: string, { watcher_id, connection }: Invoked) =>
      flows.app.get(DetachWatcherFlow).run({ project_id: project.project_id, session_id }, watcher_id!, connection);

    it('watches under the same id, and is not detached when the connection before closes at last', async () => {
      const [session_id, key] = [newId(), randomUUID()];
      const first = await stay(session_id, key);
      const second = await stay(session_id, key);
      const third = await stay(session_id, key);
      expect([second.watcher_id, third.watcher_id]).toEqual([first.turn_id, first.turn_id]);
      expect(await closed(session_id, second)).toBe(false);
      expect(await closed(session_id, first)).toBe(false);
      expect(await watcher(session_id)).toBe(first.turn_id);
      expect(await closed(session_id, third)).toBe(true);
      expect(await watcher(session_id)).toBeNull();
    });

    it('watches again when the connection before had closed already', async () => {
      const [session_id, key] = [newId(), randomUUID()];
      const first = await stay(session_id, key);
      expect(await closed(session_id, first)).toBe(true);
      const second = await stay(session_id, key);
      expect(await watcher(session_id)).toBe(first.turn_id);
      expect(await closed(session_id, first)).toBe(false);
      expect(await closed(session_id, second)).toBe(true);
    });

    it('keeps its prompt attended while that waits, as long as the newest connection is there', async () => {
      const [session_id, key] = [newId(), randomUUID()];
      await project.send(session_id);
      const first = await stay(session_id, key, { on_busy: 'queue' });
      await closed(session_id, first);
      expect(await project.turn(first.turn_id)).toMatchObject({ detached: true });
      await stay(session_id, key, { on_busy: 'queue' });
      await closed(session_id, first);
      expect(await project.turn(first.turn_id)).toMatchObject({ detached: false });
      await project.cancel(session_id);
      expect(await watcher(session_id)).toBe(first.turn_id);
    });

    it('takes nothing from another watcher who displaced it', async () => {
      const [session_id, key] = [newId(), randomUUID()];
      await stay(session_id, key);
      const other = await attach(session_id);
      const again = await stay(session_id, key);
      expect(await watcher(session_id)).toBe(other);
      expect(await closed(session_id, again)).toBe(false);
      expect(await watcher(session_id)).toBe(other);
    });

    it('watches nothing when its turn is over', async () => {
      const [session_id, key] = [newId(), randomUUID()];
      const first = await stay(session_id, key);
      await project.cancel(session_id);
      expect(await stay(session_id, key)).toMatchObject({ turn_id: first.turn_id });
      expect(await watcher(session_id)).toBeNull();
    });

    it('holds for who attaches, too', async () => {
      const [session_id, key] = [newId(), randomUUID()];
      await project.send(session_id);
      const first = await project.invoke({ session_id, force: true }, key);
      const second = await project.invoke({ session_id, force: true }, key);
      expect(second.watcher_id).toBe(first.watcher_id);
      expect(await closed(session_id, first)).toBe(false);
      expect(await watcher(session_id)).toBe(first.watcher_id);
      expect(await closed(session_id, second)).toBe(true);
    });
  });
});

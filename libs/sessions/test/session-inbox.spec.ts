import { randomUUID } from 'node:crypto';
import { settle, startFlows, type Flows, type Project } from './flows-fixture.js';

describe('the inbox of a session', () => {
  let flows: Flows;
  let project: Project;
  let sessions = 0;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newId = () => `s-${(sessions += 1)}`;
  const queue = (session_id: string, prompt = 'later') => project.send(session_id, { prompt, on_busy: 'queue' });
  const running = async (session_id: string) => {
    await project.send(session_id);
    const turn = await project.claim(session_id);
    await project.run(turn);
    return turn;
  };

  it('C15: what is said while a turn is live waits, in the order it was said, and answers nothing', async () => {
    const session_id = newId();
    const live = await running(session_id);
    await project.ask(live);
    const waiting = [await queue(session_id, 'one'), await queue(session_id, 'two'), await queue(session_id, 'three')];
    expect(await project.inbox(session_id)).toEqual(waiting);
    const types = await project.types(session_id);
    expect(types.slice(-3)).toEqual(['turn.inbox', 'turn.inbox', 'turn.inbox']);
    expect(types).not.toContain('interaction.responded');
    const positions = (await project.events(session_id)).slice(-3).map(({ data }) => data);
    expect(positions).toEqual([
      expect.objectContaining({ prompt: 'one', position: 0, delivery: 'queue' }),
      expect.objectContaining({ prompt: 'two', position: 1 }),
      expect.objectContaining({ prompt: 'three', position: 2 }),
    ]);
  });

  it('A8, D7: what waits is a turn already: it is fetched by the id that it keeps when it runs', async () => {
    const session_id = newId();
    const live = await running(session_id);
    const waiting = await queue(session_id, 'next');
    expect(await project.turn(waiting)).toMatchObject({ status: 'inbox', turn_index: null, prompt: 'next' });
    await project.complete(live);
    expect(await project.turn(waiting)).toMatchObject({ status: 'queued', turn_index: 1, delivery: 'queue' });
    expect((await project.claim(session_id)).turn_id).toBe(waiting);
  });

  it.each(['completed', 'failed', 'cancelled'] as const)(
    'the end of a turn (%s) promotes the next one in its own transaction',
    async (status) => {
      const session_id = newId();
      const live = await running(session_id);
      await queue(session_id);
      await project.complete(live, status);
      expect((await project.types(session_id)).slice(-2)).toEqual([`turn.${status}`, 'turn.queued']);
    },
  );

  it('a cancel ends the live turn only: what waits goes on', async () => {
    const session_id = newId();
    await project.send(session_id);
    const waiting = await queue(session_id);
    await project.cancel(session_id);
    expect((await project.turn(waiting)).status).toBe('queued');
  });

  it('G1, G4: turns are numbered in the order in which they went in line', async () => {
    const session_id = newId();
    await project.send(session_id);
    const [withdrawn, later, sooner] = [await queue(session_id), await queue(session_id), await queue(session_id)];
    await project.withdraw(session_id, withdrawn!);
    await project.reorder(session_id, [sooner!, later!]);
    await project.cancel(session_id);
    await project.cancel(session_id);
    const indexes = await Promise.all(
      [withdrawn, sooner, later].map(async (turn_id) => (await project.turn(turn_id!)).turn_index),
    );
    expect(indexes).toEqual([null, 1, 2]);
  });

  it('takes a hundred prompts and no more', async () => {
    const session_id = newId();
    await project.send(session_id);
    for (let n = 0; n < 100; n++) await queue(session_id);
    await expect(queue(session_id)).rejects.toMatchObject({
      code: 'inbox_full',
      kind: 'rate-limited',
      members: { limit: 100, retry_after_seconds: expect.any(Number) },
    });
    // Limits keep nobody from steering, cancelling or killing.
    await expect(project.send(session_id, { force: true })).resolves.toEqual(expect.any(String));
    expect(await project.inbox(session_id)).toHaveLength(100);
    await project.kill(session_id);
    expect(await project.inbox(session_id)).toEqual([]);
  });

  describe('reordered', () => {
    it('is run in the new order, and says so in the log once', async () => {
      const session_id = newId();
      await project.send(session_id);
      const [a, b, c] = [await queue(session_id), await queue(session_id), await queue(session_id)];
      await project.reorder(session_id, [c, a, b]);
      await project.reorder(session_id, [c.toUpperCase(), a, b]);
      expect(await project.inbox(session_id)).toEqual([c, a, b]);
      const reorders = (await project.events(session_id)).filter(({ type }) => type === 'inbox.reordered');
      expect(reorders.map(({ data }) => data)).toEqual([{ turn_ids: [c, a, b] }]);
    });

    it.each([
      ['one is missing', ([a]: string[]) => [a!]],
      ['one is unknown', ([a, b]: string[]) => [a!, b!, randomUUID()]],
      ['one is another', ([a]: string[]) => [a!, randomUUID()]],
    ])('is refused with the present order when %s', async (_, wrong) => {
      const session_id = newId();
      await project.send(session_id);
      const present = [await queue(session_id), await queue(session_id)];
      await expect(project.reorder(session_id, wrong(present))).rejects.toMatchObject({
        code: 'inbox_changed',
        members: { turn_ids: present },
      });
    });

    it('by two at once is in the order of one of them', async () => {
      const session_id = newId();
      await project.send(session_id);
      const [a, b, c] = [await queue(session_id), await queue(session_id), await queue(session_id)];
      const orders = [
        [c, b, a],
        [b, a, c],
      ];
      await Promise.all(orders.map((order) => project.reorder(session_id, order)));
      expect(orders).toContainEqual(await project.inbox(session_id));
    });
  });

  describe('withdrawn from', () => {
    it('the prompt ends cancelled and never runs; again changes nothing', async () => {
      const session_id = newId();
      const live = await running(session_id);
      const waiting = await queue(session_id);
      const first = await project.withdraw(session_id, waiting);
      expect(first).toMatchObject({ status: 'cancelled', stop_reason: 'withdrawn', turn_index: null });
      expect(await project.withdraw(session_id, waiting)).toEqual(first);
      await project.complete(live);
      expect((await project.types(session_id)).slice(-2)).toEqual(['turn.cancelled', 'turn.completed']);
    });

    it('a turn that is live or over cannot be withdrawn, and the refusal says what can be done', async () => {
      const session_id = newId();
      const live = await project.send(session_id);
      await expect(project.withdraw(session_id, live)).rejects.toMatchObject({
        code: 'not_in_inbox',
        members: { turn_status: 'queued', allowed: expect.arrayContaining(['cancel']) },
      });
      await project.cancel(session_id);
      await expect(project.withdraw(session_id, live)).rejects.toMatchObject({
        code: 'not_in_inbox',
        members: { turn_status: 'cancelled', allowed: [] },
      });
    });

    it('an unknown turn, and one of another session or project, is not found', async () => {
      const session_id = newId();
      const elsewhere = newId();
      const stranger = await flows.newProject();
      await Promise.all([project.send(session_id), project.send(elsewhere), stranger.send(session_id)]);
      const foreign = [randomUUID(), await queue(elsewhere), await stranger.send(session_id, { on_busy: 'queue' })];
      for (const turn_id of foreign) {
        await expect(project.withdraw(session_id, turn_id)).rejects.toMatchObject({ code: 'turn_not_found' });
      }
      await expect(project.withdraw(newId(), foreign[1]!)).rejects.toMatchObject({ code: 'session_not_found' });
    });

    it('while it is promoted, one of both happens', async () => {
      for (let round = 0; round < 10; round++) {
        const session_id = newId();
        const live = await running(session_id);
        const waiting = await queue(session_id);
        const [withdrawal] = await Promise.all([
          settle([project.withdraw(session_id, waiting)]),
          project.complete(live),
        ]);
        const { status } = await project.turn(waiting);
        expect([status, withdrawal.codes]).toEqual(
          withdrawal.done.length ? ['cancelled', []] : ['queued', ['not_in_inbox']],
        );
      }
    });
  });

  it('of a prompt that is queued and the end of the turn before it, neither is lost', async () => {
    for (let round = 0; round < 10; round++) {
      const session_id = newId();
      const live = await running(session_id);
      const [next] = await Promise.all([queue(session_id), project.complete(live)]);
      expect((await project.turn(next)).status).toBe('queued');
      expect(await project.inbox(session_id)).toEqual([]);
    }
  });

  describe('promotes only what may start at that moment', () => {
    it('a prompt of a key that was revoked meanwhile fails with the reason, and the next one is tried', async () => {
      const session_id = newId();
      const live = await running(session_id);
      const another = await project.newKey();
      const command = { session_id, prompt: 'mine', on_busy: 'queue', detached: true } as const;
      const { turn_id: refused } = await project.invoke(command, undefined, another);
      const next = await queue(session_id);
      await project.revoke(another);
      await project.complete(live);
      expect(await project.turn(refused)).toMatchObject({
        status: 'failed',
        turn_index: null,
        error: { code: 'permission_denied' },
      });
      expect((await project.turn(next)).status).toBe('queued');
    });

    it('K2: it runs what was pinned when it was sent, whatever the agent is by now', async () => {
      const session_id = newId();
      const live = await running(session_id);
      const waiting = await project.send(session_id, { on_busy: 'queue', agent: { name: 'codex' } });
      await flows.sql(
        `WITH next AS (UPDATE agents SET current_revision = 2 WHERE project_id = $1 AND name = 'codex')
         INSERT INTO agent_revisions (project_id, name, revision, harness, pool, environment)
         VALUES ($1, 'codex', 2, 'claude', 'default', '{}')`,
        [project.project_id],
      );
      await project.complete(live);
      expect(await project.turn(waiting)).toMatchObject({
        status: 'queued',
        harness: 'codex',
        agent: { name: 'codex', revision: 1 },
      });
    });
  });
});

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  SessionViewer,
  Sharer,
  TaskTreeViewer,
  type LoggedEvent,
  type SessionOpening,
  type SessionTask,
} from '@holdfast/client';
import { eventually, startFakeModel, type FakeModel } from '@holdfast/testing';
import { followUntil, isEnd, textOf, typesOf, type Seen } from '../test/follow.js';
import { startStack, type Stack } from '../test/stack.js';
import { RunnerMachine } from './runner-machine.js';

const agentsFolder = process.env['HOLDFAST_AGENTS'] ?? path.resolve(__dirname, '../../../.agents');
/** Long, for a busy machine; nothing waits for its end. */
const PATIENCE_MS = 120_000;

type Place = 'local' | 'remote';
type Kind = 'codex' | 'claude';
type Agent = SessionTask & { session_id: string };
type Viewer = SessionViewer | TaskTreeViewer;

const parents: [Kind, { child: Kind }][] = [
  ['codex', { child: 'claude' }],
  ['claude', { child: 'codex' }],
];
/** Where agents are that are started before their parent is shared, and while it is. */
const topologies: [string, Place, { early: Place; late: Place }][] = [
  ['T7, T8: a remote agent starts remote ones', 'remote', { early: 'remote', late: 'remote' }],
  ['T5, T6: a remote agent starts some beside itself', 'remote', { early: 'local', late: 'local' }],
  ['T3, T4: a local agent starts remote ones', 'local', { early: 'remote', late: 'remote' }],
  ['T1, T2: a local agent starts local ones', 'local', { early: 'local', late: 'local' }],
  ['T9: a local agent starts one of each', 'local', { early: 'local', late: 'remote' }],
];

/** As the models of both are told to call it. */
const call = (tool: string, input: object) => `[[tool:mcp__holdfast__${tool} ${JSON.stringify(input)}]]`;

/** Somebody who looks on, and what they were shown of each session. */
function look<V extends Viewer>(viewer: V) {
  const leaving = new AbortController();
  const shown: Record<string, LoggedEvent[]> = {};
  const done = (async () => {
    for await (const news of viewer.follow({ signal: leaving.signal })) {
      if (news.kind === 'event') (shown[news.session_id] ??= []).push({ event: news.event, offset: news.offset });
    }
  })().catch(() => undefined);
  const leave = async () => {
    leaving.abort();
    await done;
  };
  looking.push(leave);
  return { viewer, shown };
}
const looking: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const leave of looking.splice(0)) await leave();
});

/** Real programs on both ends, on two machines: the model alone is played. */
describe.each(parents)('the real %s, which starts other agents', (kind, { child: childKind }) => {
  let model: FakeModel;
  let stack: Stack;
  let pool: RunnerMachine;
  let laptop: RunnerMachine;

  beforeAll(async () => {
    if (!existsSync(agentsFolder)) throw new Error('the agents are missing: run "node tools/install-agents.mjs"');
    model = await startFakeModel();
    stack = await startStack({ runner: false });
    const around = { stack, modelUrl: model.url, agentsFolder };
    pool = await RunnerMachine.make(around, ['codex', 'claude']);
    laptop = await RunnerMachine.make(around, ['codex', 'claude'], { HOLDFAST_POOLS: '' });
    await Promise.all([pool.start(), laptop.start()]);
    // Otherwise somebody would have to allow each call.
    await stack.client.project.editProjectSettings({ ProjectSettingsEdit: { allow_approval_bypass: true } });
    for (const harness of ['codex', 'claude'] as const) {
      const AgentSet = { harness, approvals: 'bypass' as const };
      await stack.client.agents.setAgent({ name: `free-${harness}`, AgentSet });
    }
  }, 180_000);
  afterAll(async () => {
    await pool?.remove();
    await laptop?.remove();
    await stack?.stop();
    await model?.stop();
  }, 60_000);

  const soon = <T>(check: () => T | Promise<T>) => eventually(check, { timeout: PATIENCE_MS });
  const tasksOf = async (SessionTaskQuery: object) =>
    (await stack.client.tasks.querySessionTasks({ SessionTaskQuery })).data as Agent[];
  const sharesOf = async ({ session_id }: Agent) =>
    (await stack.client.shares.querySessionShares({ SessionShareQuery: { session_id } })).data;
  const openingsOf = async ({ session_id }: Agent) =>
    (await stack.client.shares.querySessionOpenings({ SessionOpeningQuery: { session_id } })).data;
  const logOf = async ({ session_id }: Agent) => {
    const log: LoggedEvent[] = [];
    for await (const one of stack.client.readSession(session_id)) log.push(one);
    return log;
  };

  /** In a turn of its own, an agent starts another one and hears from it. */
  async function startBelow(session_id: string, parentPlace: Place, name: string, mode: Place): Promise<void> {
    const word = `word of ${name} to ${session_id}`;
    const prompt = `${call('send_message', { to: ['parent'], body: word })}[[say:I am ${name}]]`;
    const agents = [{ name, prompt, mode, agent: `free-${childKind}` }];
    // First what was left over: that the one before has ended.
    const [takeOld, wait] = [0, 100].map((timeout_seconds) => call('wait_for_messages', { timeout_seconds }));
    const { turn_id } = await stack.client.invoke({
      session_id,
      prompt: `${takeOld}${call('run_agents', { agents })}${wait}[[say:I heard ${name}]]`,
      agent: { name: `free-${kind}` },
      ...(parentPlace === 'local' && { local: { private_pool: laptop.privatePool } }),
    });
    const isLast = (one: Seen) => isEnd(one) && one.event.turn_id === turn_id;
    const seen = await followUntil(stack, session_id, isLast, '-1', PATIENCE_MS);
    expect([seen.at(-1)!.event.type, textOf(seen)]).toEqual([
      'turn.completed',
      expect.stringContaining(`I heard ${name}`),
    ]);
    const heard = model.log.filter(({ side }) => !side).flatMap(({ conversation }) => conversation);
    expect(heard.filter(({ kind: what, text }) => what === 'result' && text.includes(word))).not.toEqual([]);
  }

  const childOf = (parent: Agent, name: string, location: Place) =>
    soon(async () => {
      const child = (await tasksOf({ parent_task_id: parent.task_id })).find((task) => task.name === name);
      expect(child).toMatchObject({ location, state: 'succeeded' });
      return child!;
    });

  /** A remote agent has shared itself before `started` ran, itself or the first one below it; a local one never does. */
  async function ownOpenings(agent: Agent, started = agent): Promise<Partial<SessionOpening>[]> {
    const { task_id, session_id, location } = agent;
    const itself = { role: 'reader', scope: 'session', origin: 'automatic' } as const;
    const source = { source_type: { ambient_agent: { task_id } }, source_task_id: task_id, is_ambient: true };
    const automatic = (await sharesOf(agent)).filter(({ origin }) => origin === 'automatic');
    if (location === 'local') {
      expect(automatic).toEqual([]);
      return [];
    }
    expect(automatic).toMatchObject([{ ...itself, ...source, task_id, session_id, ended_at: null }]);
    expect(automatic[0]!.created_at.getTime()).toBeLessThanOrEqual(started.started_at!.getTime());
    const { share_id } = automatic[0]!;
    return [{ ...itself, share_id, via: 'direct', host_session_id: session_id, host_task_id: task_id }];
  }

  /** To one agent alone: of the share that it made of itself, or of one that its user makes. */
  async function linkTo({ session_id, location }: Agent, [own]: Partial<SessionOpening>[]): Promise<string> {
    if (location === 'local') return (await new Sharer({ client: stack.client, session_id }).share()).link;
    const { share_id } = own as SessionOpening;
    return (await stack.client.shares.rotateSessionShare({ SessionShareRotate: { share_id } })).link;
  }

  /** The statuses that a viewer gets for all that there is of an agent. */
  async function answersTo({ credential }: Viewer, { session_id, task_id }: { session_id: string; task_id: string }) {
    const paths = [
      `sessions/${session_id}`,
      `sessions/streams/${session_id}`,
      `stream/sessions/${session_id}/events?offset=-1`,
      `sessions/tasks/${task_id}`,
      `stream/tasks/${task_id}/activity?offset=-1`,
    ];
    const headers = { authorization: `Bearer ${credential()}` };
    return Promise.all(paths.map(async (path) => (await fetch(`${stack.url}/v1/${path}`, { headers })).status));
  }
  const EVERYTHING = [200, 200, 200, 200, 200];
  /** Activity is for those who came by the link of a tree. */
  const ALL_BUT_ACTIVITY = [200, 200, 200, 200, 404];
  const NOTHING = [404, 404, 404, 404, 404];
  const IS_OVER = [403, 403, 403, 403, 403];

  /** Each log is read to its end, every event once, and no other log. */
  const expectShown = (shown: Record<string, LoggedEvent[]>, agents: Agent[]) =>
    soon(async () => {
      const logs = await Promise.all(agents.map(async (agent) => [agent.session_id, await logOf(agent)] as const));
      expect(shown).toEqual(Object.fromEntries(logs));
    });

  it.each(topologies)(
    '%s: by its link all are seen, by a link to one of them that one and the names of the others',
    async (_, parentPlace, places) => {
      const session_id = `s-${randomUUID()}`;
      await startBelow(session_id, parentPlace, 'Early', places.early);
      const { task_id } = (await tasksOf({ session_id }))[0]!;
      await stack.client.tasks.editSessionTask({ task_id, SessionTaskEdit: { name: 'Lead' } });
      const [parent] = (await tasksOf({ session_id })) as [Agent];
      const early = await childOf(parent, 'Early', places.early);

      // Before anybody shares anything.
      const [ownOfParent, ownOfEarly] = [await ownOpenings(parent, early), await ownOpenings(early)];
      expect(await openingsOf(parent)).toMatchObject(ownOfParent);
      expect(await openingsOf(early)).toMatchObject(ownOfEarly);

      // Shared with the parent: those that are there and those that come, wherever they run.
      const sharer = new Sharer({ client: stack.client, session_id });
      const whole = look(new TaskTreeViewer({ link: (await sharer.share({ scope: 'tree' })).link }));
      await expectShown(whole.shown, [parent, early]);
      await startBelow(session_id, parentPlace, 'Late', places.late);
      const late = await childOf(parent, 'Late', places.late);
      const ownOfLate = await ownOpenings(late);
      const agents: [Agent, Partial<SessionOpening>[]][] = [
        [parent, ownOfParent],
        [early, ownOfEarly],
        [late, ownOfLate],
      ];
      await expectShown(whole.shown, [parent, early, late]);
      for (const { session_id: of, name } of [early, late]) {
        const seen = whole.shown[of]!;
        expect([textOf(seen), typesOf(seen)]).toEqual([
          expect.stringContaining(`I am ${name}`),
          expect.arrayContaining(['turn.completed']),
        ]);
      }
      await soon(() =>
        expect([...whole.viewer.tree.walk()].map(({ task, depth }) => [depth, task.name, task.location])).toEqual([
          [0, 'Lead', parentPlace],
          [1, 'Early', places.early],
          [1, 'Late', places.late],
        ]),
      );
      const { share_id } = sharer.share_made!;
      for (const [agent, own] of agents) {
        const through = { share_id, via: agent === parent ? 'direct' : 'tree', host_session_id: session_id };
        const openings = await openingsOf(agent);
        expect(openings.filter((one) => one.share_id === share_id)).toMatchObject([through]);
        expect(openings.filter((one) => one.share_id !== share_id)).toMatchObject(own);
      }
      // From when its own tree is shared, a child has an activity log too.
      for (const child of [early, late]) {
        await new Sharer({ client: stack.client, session_id: child.session_id }).share({ scope: 'tree' });
      }
      for (const agent of [parent, early, late]) expect(await answersTo(whole.viewer, agent)).toEqual(EVERYTHING);

      // Each shared by itself: that one alone, with the names of the others.
      const alone = [];
      for (const [child, own] of agents.slice(1)) {
        const others = [parent, early, late].filter((agent) => agent !== child);
        const one = look(new SessionViewer({ link: await linkTo(child, own) }));
        await expectShown(one.shown, [child]);
        expect(one.viewer.joined).toMatchObject({ role: 'reader', source_task_id: child.task_id });
        expect(one.viewer.is_ambient).toBe(child.location === 'remote');
        expect([...one.viewer.tree.walk()]).toEqual([]);

        const unknown = { session_id: `s-${randomUUID()}`, task_id: randomUUID() };
        const task_ids = [...others, unknown].map((agent) => agent.task_id);
        expect(task_ids.map((id) => one.viewer.nameOf(id))).toEqual([
          ...others.map(({ name }) => name),
          'Unknown agent',
        ]);
        const { data } = await one.viewer.client.tasks.fetchSessionTaskNames({ SessionTaskNameQuery: { task_ids } });
        expect(data.map((known) => [known.task_id, known.name]).sort()).toEqual(
          others.map((agent) => [agent.task_id, agent.name]).sort(),
        );

        expect(await answersTo(one.viewer, child)).toEqual(ALL_BUT_ACTIVITY);
        for (const hidden of [...others, unknown]) expect(await answersTo(one.viewer, hidden)).toEqual(NOTHING);
        alone.push({ ...one, child, openings: await openingsOf(child) });
      }

      // Shared no more with the parent: what was shared by itself stays so.
      await sharer.stop();
      await soon(() => expect(whole.viewer.state).toEqual({ status: 'ended', reason: 'stopped' }));
      for (const agent of [parent, early, late]) expect(await answersTo(whole.viewer, agent)).toEqual(IS_OVER);
      expect(await openingsOf(parent)).toMatchObject(ownOfParent);
      for (const { viewer, shown, child, openings } of alone) {
        expect(await openingsOf(child)).toEqual(openings.filter((one) => one.share_id !== share_id));
        expect(await answersTo(viewer, child)).toEqual(ALL_BUT_ACTIVITY);
        await expectShown(shown, [child]);
        await soon(() => expect(viewer.state.status).toBe('live'));
      }
    },
    300_000,
  );
});

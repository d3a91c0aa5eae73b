import { randomUUID } from 'node:crypto';
import { createDataSource } from '@holdfast/platform-postgres';
import { eventually } from '@holdfast/testing';
import { followUntil, isEnd, typesOf, type Seen } from './follow.js';
import { startStack, type Stack } from './stack.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- answers are read as a client sees them that knows no types. */

/** Turns run in processes of their own, which take their time on a loaded machine. */
jest.setTimeout(120_000);

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack?.stop(), 60_000);

/** As any program would ask. */
async function ask(token: string, path: string, body: object, method = 'POST'): Promise<{ status: number; body: any }> {
  const response = await fetch(`${stack.url}/v1/sessions/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function take(token: string, path: string, body: object, method = 'POST'): Promise<any> {
  const answer = await ask(token, path, body, method);
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

const owner = () => stack.keys.api_key;
const join = (token: string, body: object = {}) => take(token, 'participants/join', body);
const newSession = async () => {
  const session_id = `s-${randomUUID()}`;
  await stack.client.sessions.createSession({ session_id, SessionCreate: { name: 'Shared' } });
  return session_id;
};
const share = async (host: object, more: object = {}): Promise<{ token: string; share_id: string }> => {
  const made = await take(owner(), 'shares', { ...host, ...more });
  return { token: made.token, share_id: made.share.share_id };
};
const newTask = (task: object) => take(owner(), 'tasks', task);
const invoke = (token: string, body: object) => take(token, 'streams/invoke', { detached: true, ...body });
const followAs = (token: string, session_id: string, isLast: (seen: Seen) => boolean, offset = '-1') =>
  followUntil({ ...stack, client: stack.clientWith(token) }, session_id, isLast, offset, 60_000);
const pendingQuestion = (session_id: string) =>
  eventually(
    async () => {
      const { data } = await take(owner(), 'interactions/query', { session_id, status: 'pending' });
      if (!data[0]) throw new Error('no question yet');
      return data[0].interaction_id as string;
    },
    { timeout: 30_000 },
  );

/** An orchestrator with two agents below it, each in a session of its own. */
async function newTree() {
  const [top, left, right] = [await newSession(), await newSession(), await newSession()];
  const root = await newTask({ session_id: top, name: 'Lead' });
  const under = { parent_task_id: root.task_id };
  const one = await newTask({ ...under, session_id: left, name: 'Left hand', title: 'Ignored beside a name' });
  const two = await newTask({ ...under, session_id: right, title: 'Right hand' });
  const three = await newTask({ ...under });
  return { top, left, right, root, one, two, three };
}

describe('a late viewer', () => {
  it('gets session, role, participants, place in the log and how it ended in one answer', async () => {
    const session_id = await newSession();
    await invoke(owner(), { session_id, prompt: '[[say:Done.]]', agent: { name: 'scripted' } });
    const seen = await followUntil(stack, session_id);
    const { token, share_id } = await share({ session_id });

    const viewer = await join(token, { name: 'Late' });
    expect(viewer).toMatchObject({
      session: { session_id, name: 'Shared' },
      role: 'reader',
      share: { share_id, scope: 'session', role: 'reader', expires_at: null },
      participants: [{ participant_id: viewer.participant_id, name: 'Late', kind: 'share', is_present: true }],
      status: { status: 'idle', alive: false, ended_reason: 'completed' },
      task: null,
      names: [],
      activity: null,
    });
    // From the earliest event that can be read, everything is there; from the tail on, what comes.
    const shown = await followAs(viewer.participant_token, session_id, isEnd, viewer.offset);
    expect(shown).toEqual(seen);
    const joined = await followAs(
      viewer.participant_token,
      session_id,
      ({ event }) => event.type === 'participant.joined',
      viewer.tail_offset,
    );
    expect(joined.map(({ event }) => event.data)).toMatchObject([{ participant: { name: 'Late' } }]);
  });

  it('Q02: a viewer that knows nothing of source_task_id joins, and it reads as null', async () => {
    const session_id = await newSession();
    const { token } = await share({ session_id });
    expect(await join(token)).toMatchObject({ source_type: 'user', source_task_id: null });
  });

  it.each([
    { title: 'Q03: the sidecar of a share is told to whoever joins', source_type: 'user', sidecar: true },
    { title: 'Q04: without a sidecar, the orchestrator is that of the variant', variant: true },
    { title: 'Q05: of both, the sidecar wins', variant: true, sidecar: true },
  ])('$title', async ({ variant, sidecar }) => {
    const [of, beside] = [randomUUID(), randomUUID()];
    const source = {
      source_type: variant ? { ambient_agent: { task_id: of } } : 'user',
      ...(sidecar && { source_task_id: beside }),
    };
    const { token } = await share({ session_id: await newSession() }, { source });
    expect(await join(token)).toMatchObject({
      source_type: source.source_type,
      source_task_id: sidecar ? beside : of,
    });
  });

  it('Q06: a bare "ambient_agent" is an agent of which no task is known', async () => {
    const source = { source_type: 'ambient_agent' };
    const { token } = await share({ session_id: await newSession() }, { source });
    expect(await join(token)).toMatchObject({
      source_type: { ambient_agent: { task_id: null } },
      detailed_source_type: null,
      source_task_id: null,
    });
  });

  it('Q07: a viewer that knows bare words only gets one, and the full form beside it', async () => {
    const task_id = randomUUID();
    const source = { source_type: { ambient_agent: { task_id } } };
    const { token } = await share({ session_id: await newSession() }, { source });
    expect(await join(token, { source_type_format: 'unit' })).toMatchObject({
      source_type: 'ambient_agent',
      detailed_source_type: { ambient_agent: { task_id } },
      source_task_id: task_id,
    });
  });

  it('Q10, Q11, Q13: a task that becomes known later is told to those who have joined, and is on record with later joins', async () => {
    const session_id = await newSession();
    const { token, share_id } = await share({ session_id });
    const viewer = await join(token);
    const told = followAs(
      viewer.participant_token,
      session_id,
      ({ event }) => event.type === 'session.source_changed',
      viewer.tail_offset,
    );
    const { task_id } = await newTask({ session_id, name: 'Found out' });
    expect((await told).at(-1)!.event.data).toEqual({ share_id, source_type: 'user', source_task_id: task_id });

    expect(await join(viewer.participant_token)).toMatchObject({ source_type: 'user', source_task_id: task_id });
    const late = await join(token, { name: 'after' });
    expect(late).toMatchObject({ source_task_id: task_id, task: { task_id, name: 'Found out' } });
    const events = await followAs(token, session_id, ({ event }) => (event.data as any).participant?.name === 'after');
    expect(events.at(-1)!.event).toMatchObject({
      type: 'participant.joined',
      data: { source_type: 'user', source_task_id: task_id },
    });
    expect(typesOf(events).filter((type) => type === 'session.source_changed')).toHaveLength(1);
  });

  it('Q12: a session without a task has no source task, no names and nothing to discover', async () => {
    const { token } = await share({ session_id: await newSession() }, { scope: 'tree' });
    expect(await join(token)).toMatchObject({ source_task_id: null, task: null, names: [], activity: null });
  });

  it('Q24, Q25: what is reached through a share comes from where that does, of its own task', async () => {
    const { top, left, one } = await newTree();
    const ofUser = await share({ session_id: top }, { scope: 'tree' });
    expect(await join(ofUser.token, { session_id: left })).toMatchObject({
      source_type: 'user',
      source_task_id: one.task_id,
    });
    const source = { source_type: { ambient_agent: { task_id: randomUUID() } } };
    const ofAgent = await share({ session_id: top }, { scope: 'tree', source });
    expect(await join(ofAgent.token, { session_id: left })).toMatchObject({
      source_type: { ambient_agent: { task_id: one.task_id } },
      source_task_id: one.task_id,
    });
  });

  it('joins the share of a task that has no session yet, and its session as soon as there is one', async () => {
    const root = await newTask({ name: 'To come' });
    const { token } = await share({ task_id: root.task_id }, { scope: 'tree' });
    const early = await join(token);
    expect(early).toMatchObject({ session: null, offset: null, status: null, task: { task_id: root.task_id } });
    expect(early.activity).toMatchObject({ task_id: root.task_id });
    const session_id = await newSession();
    await take(owner(), `tasks/${root.task_id}`, { session_id }, 'PATCH');
    const now = await join(early.participant_token);
    expect(now).toMatchObject({ participant_id: early.participant_id, session: { session_id } });
  });
});

it('tells how a session ended, and that it goes on', async () => {
  const session_id = await newSession();
  const statusNow = async () => (await join(owner(), { session_id })).status;
  expect(await statusNow()).toEqual({ status: 'idle', alive: false, turn_id: null, ended_reason: null });
  const first = await invoke(owner(), { session_id, prompt: '[[ask:Wait]]', agent: { name: 'scripted' } });
  await pendingQuestion(session_id);
  expect(await statusNow()).toMatchObject({
    status: 'running',
    alive: true,
    turn_id: first.turn_id,
    ended_reason: null,
  });
  await take(owner(), 'streams/kill', { session_id });
  expect(await statusNow()).toMatchObject({ status: 'idle', turn_id: first.turn_id, ended_reason: 'killed' });

  const { tail_offset } = await join(owner(), { session_id });
  const next = await invoke(owner(), { session_id, prompt: '[[say:On it goes.]]' });
  const seen = await followAs(owner(), session_id, isEnd, tail_offset);
  expect(seen.at(-1)!.event).toMatchObject({ type: 'turn.completed', turn_id: next.turn_id });
  expect(await statusNow()).toMatchObject({ turn_id: next.turn_id, ended_reason: 'completed' });
});

describe('viewers of a tree', () => {
  it('Q66: the link of one child resolves the names around it, and opens none of them', async () => {
    const { left, right, top, root, one, two, three } = await newTree();
    const child = await share({ session_id: left }, { scope: 'session' });
    const viewer = await join(child.token);
    expect(viewer.names).toEqual([
      { task_id: root.task_id, name: 'Lead' },
      { task_id: one.task_id, name: 'Left hand' },
      { task_id: two.task_id, name: 'Right hand' },
      // Q67: its name, else its title, else this.
      { task_id: three.task_id, name: 'Agent' },
    ]);
    // Apart from the names, nothing of the answer leads out of the child.
    const rest = JSON.stringify({ ...viewer, names: [] });
    for (const outside of [top, right, root.task_id, two.task_id, three.task_id]) expect(rest).not.toContain(outside);
    for (const session_id of [top, right]) {
      for (const token of [child.token, viewer.participant_token]) {
        const answer = await ask(token, 'participants/join', { session_id });
        expect(answer).toMatchObject({ status: 404, body: { code: 'session_not_found' } });
        const query = await ask(token, 'participants/query', { session_id });
        expect(query).toMatchObject({ status: 404, body: { code: 'session_not_found' } });
      }
    }
    const names = await take(viewer.participant_token, 'tasks/names', { task_ids: [two.task_id, randomUUID()] });
    expect(names.data).toEqual([{ task_id: two.task_id, name: 'Right hand' }]);
  });

  it('Q57: what one viewer opens or selects changes nothing for another', async () => {
    const { top, left, root } = await newTree();
    const { token } = await share({ session_id: top }, { scope: 'tree' });
    const [a, b] = [await join(token, { name: 'A' }), await join(token, { name: 'B' })];
    expect(b.activity).toMatchObject({ task_id: root.task_id });
    const bAs = async () => {
      const { data } = await take(owner(), 'participants/query', { session_id: top });
      const { last_seen_at: _, ...me } = data.find((one: any) => one.participant_id === b.participant_id);
      return me;
    };
    const selection = { record_id: 'r-7' };
    await take(b.participant_token, 'participants/self', { participant_id: b.participant_id, selection }, 'PATCH');
    const before = await bAs();

    const moved = await join(a.participant_token, { session_id: left });
    expect(moved).toMatchObject({ participant_id: a.participant_id, participant_token: null, role: 'reader' });
    await take(
      a.participant_token,
      'participants/self',
      { participant_id: a.participant_id, selection: { session_id: left, text: 'only mine' } },
      'PATCH',
    );
    expect(await bAs()).toEqual(before);
    expect(before).toMatchObject({ session_id: top, selection, is_present: true });
    // Nobody selects for somebody else.
    const foreign = { participant_id: b.participant_id, selection: { text: 'not mine' } };
    expect(await ask(a.participant_token, 'participants/self', foreign, 'PATCH')).toMatchObject({ status: 404 });

    const events = await followAs(token, top, ({ event }) => event.type === 'participant.left');
    expect(events.at(-1)!.event.data).toMatchObject({
      reason: 'moved',
      participant: { participant_id: a.participant_id, session_id: null, selection: null },
    });
    expect(JSON.stringify(events)).not.toContain('only mine');
  });

  it('Q62: presence and requests for a role are of the session that somebody looks at, and the role reaches the tree', async () => {
    const { top, left } = await newTree();
    const { token } = await share({ session_id: top }, { scope: 'tree' });
    const viewer = await join(token);
    const me = viewer.participant_token;
    await join(me, { session_id: left });
    const asked = await take(me, 'participants/role-requests', {
      participant_id: viewer.participant_id,
      role: 'executor',
    });
    expect(asked).toMatchObject({ session_id: left, status: 'pending' });
    const requestsOf = async (session_id: string) =>
      (await take(owner(), 'participants/role-requests/query', { session_id })).data;
    expect(await requestsOf(top)).toEqual([]);
    expect(await requestsOf(left)).toMatchObject([{ request_id: asked.request_id }]);
    const prompt = { session_id: left, prompt: '[[say:Hello.]]', detached: true };
    expect(await ask(me, 'streams/invoke', prompt)).toMatchObject({ status: 403, body: { code: 'permission_denied' } });

    await take(owner(), 'participants/role-requests/answer', { request_id: asked.request_id, verdict: 'approve' });
    const events = await followAs(me, left, ({ event }) => event.type === 'role.answered');
    expect(typesOf(events).filter((type) => /^(participant|role)\./.test(type))).toEqual([
      'participant.joined',
      'role.requested',
      'participant.updated',
      'role.answered',
    ]);
    // It counts in the whole reach of the share, and for this participant only.
    expect(await join(me)).toMatchObject({ session: { session_id: top }, role: 'executor', share: { role: 'reader' } });
    expect(await join(token)).toMatchObject({ role: 'reader' });
  });

  it('Q61: when one session ends, only that one has ended; a follow-up goes on in the same log', async () => {
    const { top, left } = await newTree();
    const { token } = await share({ session_id: top }, { scope: 'tree', role: 'executor' });
    const viewer = await join(token);
    const me = viewer.participant_token;
    const agent = { name: 'scripted' };
    await invoke(owner(), { session_id: top, prompt: '[[ask:Wait here]]', agent });
    await invoke(owner(), { session_id: left, prompt: '[[say:First.]]', agent });
    const question = await pendingQuestion(top);
    const first = await followAs(me, left, isEnd);
    const ended = await join(me, { session_id: left });
    expect(ended).toMatchObject({ status: { status: 'idle', ended_reason: 'completed' } });
    expect(await join(me, { session_id: top })).toMatchObject({
      status: { status: 'running', alive: true, ended_reason: null },
    });

    await invoke(me, { session_id: left, prompt: '[[say:Second.]]' });
    const second = await followAs(me, left, isEnd, first.at(-1)!.offset);
    expect(second.at(-1)!.event.type).toBe('turn.completed');
    expect(second.at(-1)!.event.turn_id).not.toBe(first.at(-1)!.event.turn_id);
    const queued = second.find(({ event }) => event.type === 'turn.queued');
    expect(queued!.event.data).toMatchObject({ by_id: viewer.participant_id });
    await stack.client.respond(question, { decision: 'allow' });
    await followAs(me, top, isEnd);
  });
});

it('prompts of several executors are ordered by the inbox, carry who sent them, and are seen by all', async () => {
  const session_id = await newSession();
  await invoke(owner(), { session_id, prompt: '[[ask:May I go on?]]', agent: { name: 'scripted' } });
  const question = await pendingQuestion(session_id);
  const driving = await share({ session_id }, { role: 'executor' });
  const reading = await share({ session_id });
  const [a, b, reader] = [
    await join(driving.token, { name: 'A' }),
    await join(driving.token, { name: 'B' }),
    await join(reading.token),
  ];
  const prompt = { session_id, on_busy: 'queue', detached: true };
  await Promise.all(
    [a, b, a].map(({ participant_token }, index) =>
      invoke(participant_token, { ...prompt, prompt: `[[say:number ${index}]]` }),
    ),
  );
  expect(await ask(reader.participant_token, 'streams/invoke', { ...prompt, prompt: 'no' })).toMatchObject({
    status: 403,
    body: { code: 'permission_denied' },
  });
  await stack.client.respond(question, { decision: 'allow' });

  let ends = 0;
  const isLast = (seen: Seen) => isEnd(seen) && ++ends === 4;
  const shown = await followAs(reader.participant_token, session_id, isLast);
  const of = (type: string) => shown.filter(({ event }) => event.type === type).map(({ event }) => event);
  const waited = of('turn.inbox');
  expect(waited.map(({ data }) => data['by_id']).sort()).toEqual(
    [a.participant_id, a.participant_id, b.participant_id].sort(),
  );
  // In the order in which they came to wait, with whoever sent them.
  const inOrder = [...waited].sort((x, y) => Number(x.data['position']) - Number(y.data['position']));
  const queued = of('turn.queued').slice(1);
  expect(queued.map(({ turn_id, data }) => [turn_id, data['by_id']])).toEqual(
    inOrder.map(({ turn_id, data }) => [turn_id, data['by_id']]),
  );

  await take(b.participant_token, 'participants/leave', { participant_id: b.participant_id });
  const who = await take(reader.participant_token, 'participants/query', { session_id, include_left: true });
  const nameOf = new Map(who.data.map((one: any) => [one.participant_id, one.name]));
  expect(queued.map(({ data }) => nameOf.get(data['by_id'])).sort()).toEqual(['A', 'A', 'B']);
});

it('when a share ends, everybody who came by it has left, for its reason, and nobody else', async () => {
  const session_id = await newSession();
  const [ending, staying] = [await share({ session_id }), await share({ session_id })];
  const [goes, stays] = [await join(ending.token), await join(staying.token)];
  await take(owner(), 'shares/revoke', { share_id: ending.share_id });
  const { data } = await take(owner(), 'participants/query', { session_id });
  expect(data.map((one: any) => one.participant_id)).toEqual([stays.participant_id]);
  expect(await ask(goes.participant_token, 'participants/join', {})).toMatchObject({
    status: 403,
    body: { code: 'share_ended', reason: 'revoked' },
  });
  const events = await followAs(
    stays.participant_token,
    session_id,
    ({ event }) => event.type === 'participant.left',
    stays.tail_offset,
  );
  expect(events.at(-1)!.event.data).toMatchObject({
    reason: 'revoked',
    participant: { participant_id: goes.participant_id },
  });
});

it('an open view keeps its participant present; whoever has none is let go, and comes back as the same', async () => {
  const session_id = await newSession();
  const { token } = await share({ session_id });
  const [watching, away] = [await join(token, { name: 'watching' }), await join(token, { name: 'away' })];
  const view = new AbortController();
  const events = stack.clientWith(watching.participant_token).followSession(session_id, { signal: view.signal });
  await events.next();
  // So much time has passed for both.
  const database = await createDataSource(
    { url: stack.databaseUrl(), poolSize: 1, applicationName: 'test' },
    [],
  ).initialize();
  const unheardOf = (participant_id: string, seconds: number) =>
    database.query(
      `UPDATE share_participants SET last_seen_at = last_seen_at - make_interval(secs => $2) WHERE participant_id = $1`,
      [participant_id, seconds],
    );
  try {
    await unheardOf(watching.participant_id, 50);
    await unheardOf(away.participant_id, 120);
    await eventually(
      async () => {
        const { data } = await take(owner(), 'participants/query', { session_id });
        expect(data).toMatchObject([{ participant_id: watching.participant_id, is_present: true }]);
      },
      { timeout: 60_000 },
    );
  } finally {
    view.abort();
    await database.destroy();
  }
  const told = await followAs(token, session_id, ({ event }) => event.type === 'participant.left');
  expect(told.at(-1)!.event.data).toMatchObject({
    reason: 'timed_out',
    participant: { participant_id: away.participant_id },
  });
  const back = await join(away.participant_token);
  expect(back).toMatchObject({ participant_id: away.participant_id, participant_token: null });
  expect(back.participants.map((one: any) => one.join_order)).toEqual([1, 2]);
});

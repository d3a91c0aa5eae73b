import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { NATIVE, ORIGIN, partsOf, statesOf, type Grant } from '../native-fixture.js';
import type { Stack } from '../stack.js';
import { Caller } from './caller.js';
import { QUESTION, STREAMS_OF_THE_PROJECT, SUBSCRIPTION, SUBSCRIPTIONS_OF_THE_PROJECT } from './requests.js';
import { TARGETS, type Credential, type TargetName } from './table.js';

const PERMISSIONS = ['VIEW_SESSIONS', 'EDIT_SESSIONS', 'RUN_SESSIONS', 'RESPOND_INTERACTIONS', 'MANAGE_PROJECT'];

/** A session of a tree, with one of everything that a request can be about. */
export interface Target {
  session_id: string;
  task_id: string;
  /** Claimed, and not over while the test lasts. */
  turn: Grant;
  /** The turn before it. */
  earlier: Grant;
  /** Answered already. */
  interaction_id: string;
  /** Of a prompt of a key, taken out of the inbox already. */
  withdrawn_id: string;
  /** A share of it that a key made: of the tree, so that its activity can be followed. */
  share_id: string;
  /** Another one, which was revoked. */
  ended_share_id: string;
  /** Somebody who joined with the first one. */
  participant_id: string;
  /** What they asked for, denied already. */
  request_id: string;
  delivery_id: string;
  conversation_id: string;
  /** Begun by a key, and not finished. */
  save_id: string;
  /** Begun by the turn that runs. */
  turn_save_id: string;
  /** Begun by the turn before. */
  earlier_save_id: string;
  /** Of a task that may be made below its own. */
  below_id: string;
}

/**
 * A tree: `parent` over `own` (the host of the shares) and `sibling`, `child` below `own`; beside it `stranger`, a tree of
 * its own, and `private`, a local run of another key.
 */
export interface World {
  targets: Record<TargetName, Target>;
  tokens: Record<Credential, string | undefined>;
  /** Those whom the tokens `guest` and `raised` are of. */
  participants: Partial<Record<Credential, string>>;
  /** What they asked for, answered already. */
  requests: Partial<Record<Credential, string>>;
  /** Shares of `own` that were made through the shares of these credentials. */
  through: Partial<Record<Credential, string>>;
  replica_id: string;
}

/** What all trees stand in. */
export interface House {
  caller: Caller;
  database: DataSource;
  project_id: string;
  replica_id: string;
  pool: string;
  private_pool: string;
  tokens: Pick<Record<Credential, string>, KeyName>;
  /** A third project, in which a key of another project does what it may: so that nothing of these names is in its own. */
  elsewhere: string;
}

type KeyName = 'foreign' | 'view' | 'edit' | 'run' | 'respond' | 'manage' | 'all' | 'owner' | 'runner';

const STREAMS = '/v1/admin/sessions/streams';
const SESSIONS = '/v1/sessions';
const OTHERS = TARGETS.filter((name) => name !== 'private');

export async function openHouse(stack: Stack, database: DataSource): Promise<House> {
  const caller = new Caller(stack.url);
  const { project_id, api_key: all, runner_key: runner } = stack.keys;
  const [foreign, elsewhere] = [(await stack.anotherProject()).api_key, (await stack.anotherProject()).api_key];
  const [view, edit, run, respond, manage] = await Promise.all(
    PERMISSIONS.map((permission) => insertKey(database, project_id, [permission])),
  );
  const owner = await insertKey(database, project_id, PERMISSIONS);
  const [pool, private_pool, replica_id] = [`p-${randomUUID()}`, `m-${randomUUID()}`, randomUUID()];
  await caller.take(all, { method: 'PUT', path: `/v1/agents/${pool}`, body: { harness: 'scripted', pool } });
  for (const name of STREAMS_OF_THE_PROJECT) {
    const headers = { 'content-type': 'application/json' };
    await caller.take(all, { method: 'PUT', path: `/v1/stream/${name}`, headers });
  }
  for (const name of SUBSCRIPTIONS_OF_THE_PROJECT) {
    await caller.take(all, { method: 'PUT', path: `/v1/stream/__ds/subscriptions/${name}`, body: SUBSCRIPTION });
  }
  await caller.post(runner, `${STREAMS}/register`, { replica_id, pools: [pool], private_pool });
  return {
    caller,
    database,
    project_id,
    replica_id,
    pool,
    private_pool,
    elsewhere,
    tokens: { foreign, view: view!, edit: edit!, run: run!, respond: respond!, manage: manage!, all, owner, runner },
  };
}

/** No operation of the api makes keys. */
export async function insertKey(database: DataSource, project_id: string, permissions: string[]): Promise<string> {
  const prefix = randomBytes(8).toString('hex');
  const key = `hf_user_${prefix}_${randomBytes(32).toString('hex')}`;
  const hash = createHash('sha256').update(key).digest();
  await database.query(
    `INSERT INTO api_keys (project_id, id, name, kind, prefix, hash, permissions) VALUES ($1, $2, $3, 'user', $4, $5, $6)`,
    [project_id, randomUUID(), permissions.join(), prefix, hash, permissions],
  );
  return key;
}

/** `isAtRest`: no turn runs in it, and all its tasks have succeeded. */
export async function plantTree(house: House, isAtRest: boolean): Promise<World> {
  const { caller, tokens } = house;
  const session_ids = Object.fromEntries(TARGETS.map((name) => [name, `${name}-${randomUUID()}`])) as Ids;
  for (const name of OTHERS) {
    await caller.take(tokens.all, { method: 'PUT', path: `${SESSIONS}/${session_ids[name]}`, body: {} });
  }
  const task_ids = await plantTasks(house, session_ids);

  const earlier = await startTurns(house, session_ids);
  const earlierSaves = await forEachTarget((name) => openSave(house, earlier[name]));
  await completeTurns(house, earlier);
  task_ids.private = await taskOf(house, session_ids.private);
  // A key saves a conversation only while no turn of the session is live.
  const saves = await forEachTarget((name) => saveConversations(house, keyOf(house, name), session_ids[name]));
  const turns = await startTurns(house, session_ids);
  const targets = await forEachTarget(async (name) => ({
    session_id: session_ids[name],
    task_id: task_ids[name],
    turn: turns[name],
    earlier: earlier[name],
    earlier_save_id: earlierSaves[name],
    turn_save_id: await openSave(house, turns[name]),
    ...saves[name],
    ...(await furnish(house, keyOf(house, name), turns[name])),
  }));
  const shared = await shareOwn(house, targets);
  if (isAtRest) await completeTurns(house, turns);
  return { targets, ...shared, replica_id: house.replica_id };
}

async function completeTurns({ caller }: House, turns: Record<TargetName, Grant>): Promise<void> {
  for (const { session_id, turn_id, epoch, credential } of Object.values(turns)) {
    await caller.post(credential, `${STREAMS}/complete`, { session_id, turn_id, epoch, status: 'completed' });
  }
}

type Ids = Record<TargetName, string>;

const keyOf = ({ tokens }: House, name: TargetName) => (name === 'private' ? tokens.owner : tokens.all);

async function forEachTarget<T>(make: (name: TargetName) => Promise<T>): Promise<Record<TargetName, T>> {
  const made = await Promise.all(TARGETS.map(async (name) => [name, await make(name)] as const));
  return Object.fromEntries(made) as Record<TargetName, T>;
}

/** That of the local run makes itself. */
async function plantTasks({ caller, tokens }: House, session_ids: Ids): Promise<Ids> {
  const plant = async (name: TargetName, parent_task_id?: string) => {
    const task = { session_id: session_ids[name], name: `the ${name} one`, parent_task_id };
    return (await caller.post(tokens.all, `${SESSIONS}/tasks`, task))['task_id']!;
  };
  const parent = await plant('parent');
  const own = await plant('own', parent);
  const sibling = await plant('sibling', parent);
  const child = await plant('child', own);
  return { parent, own, sibling, child, stranger: await plant('stranger'), private: '' };
}

async function taskOf({ caller, tokens }: House, session_id: string): Promise<string> {
  const { data } = await caller.post<{ data: { task_id: string }[] }>(tokens.owner, `${SESSIONS}/tasks/query`, {
    session_id,
  });
  return data[0]!.task_id;
}

/** A prompt for each session, and the turns of them, claimed. */
async function startTurns(house: House, session_ids: Ids): Promise<Record<TargetName, Grant>> {
  const { caller, tokens, replica_id, pool, private_pool } = house;
  await forEachTarget((name) =>
    caller.post(keyOf(house, name), `${SESSIONS}/streams/invoke`, {
      session_id: session_ids[name],
      prompt: 'hi',
      ...(name === 'private' ? { local: { private_pool } } : { agent: { name: pool } }),
      detached: true,
      start_within_ms: 0,
    }),
  );
  const wanted = new Set(Object.values(session_ids));
  const grants: Grant[] = [];
  while (grants.length < TARGETS.length) {
    const claim = { replica_id, capacity: TARGETS.length, wait_seconds: 10 };
    const { turns } = await caller.post<{ turns: Grant[] }>(tokens.runner, `${STREAMS}/claim`, claim);
    if (turns.length === 0) throw new Error(`nothing to claim after ${grants.length} turns`);
    // Of those that other requests have made.
    grants.push(...turns.filter(({ session_id }) => wanted.has(session_id)));
  }
  const beats = grants.map(({ session_id, turn_id, epoch }) => {
    return { session_id, turn_id, epoch, status: 'running', agent_session_id: 'a' };
  });
  await caller.post(tokens.runner, `${STREAMS}/heartbeat`, { replica_id, turns: beats });
  return forEachTarget((name) => Promise.resolve(grants.find(({ session_id }) => session_id === session_ids[name])!));
}

/** As a turn begins to save a conversation. */
async function openSave({ caller }: House, { session_id, turn_id, epoch, credential }: Grant): Promise<string> {
  const body = { session_id, turn_id, epoch, native_id: randomUUID(), harness: 'claude', origin: ORIGIN };
  const headers = { 'if-none-match': '*' };
  return (await caller.take(credential, { method: 'POST', path: NATIVE, body, headers }))['save_id']!;
}

async function saveConversations({ caller }: House, key: string, session_id: string) {
  const open = async (native_id: string) => {
    const body = { session_id, native_id, harness: 'claude', origin: ORIGIN };
    const headers = { 'if-none-match': '*' };
    return (await caller.take(key, { method: 'POST', path: NATIVE, body, headers }))['save_id']!;
  };
  const [part] = partsOf('main.jsonl', [['{"prompt":"one"}']]);
  const { data, ...named } = part!;
  const query = new URLSearchParams(Object.entries(named).map(([name, value]) => [name, String(value)]));
  const finished = await open(randomUUID());
  await caller.take(key, { method: 'PUT', path: `${NATIVE}/saves/${finished}/parts?${query}`, body: data });
  const version = await caller.post(key, `${NATIVE}/saves/${finished}/finish`, {
    files: statesOf([part!]),
    save_point: 'push',
  });
  return { conversation_id: version['conversation_id']!, save_id: await open(randomUUID()) };
}

/** What a session has besides its turns. */
async function furnish({ caller, database, project_id }: House, key: string, turn: Grant) {
  const { session_id, turn_id, epoch, credential } = turn;
  const raise = { session_id, turn_id, epoch, token: 'asked', ...QUESTION };
  const { interaction_id } = await caller.post(credential, '/v1/admin/sessions/interactions', raise);
  await caller.post(key, `${SESSIONS}/interactions/${interaction_id!}/respond`, { decision: 'allow' });

  const prompt = { session_id, prompt: 'later', on_busy: 'queue', detached: true, start_within_ms: 0 };
  const { turn_id: withdrawn_id } = await caller.post(key, `${SESSIONS}/streams/invoke`, prompt);
  await caller.post(key, `${SESSIONS}/streams/inbox/withdraw`, { session_id, turn_id: withdrawn_id });

  const share = await makeShare(caller, key, { session_id, scope: 'tree' });
  const ended = await makeShare(caller, key, { session_id });
  await caller.post(key, `${SESSIONS}/shares/revoke`, { share_id: ended.share_id });
  const { participant_id, participant_token } = await caller.post(share.token, `${SESSIONS}/participants/join`, {});
  const request = { participant_id, role: 'executor' };
  const { request_id } = await caller.post(participant_token!, `${SESSIONS}/participants/role-requests`, request);
  await caller.post(key, `${SESSIONS}/participants/role-requests/answer`, { request_id, verdict: 'deny' });

  // Made by questions that outlive their turn, which no turn here does.
  const delivery_id = randomUUID();
  await database.query(
    `INSERT INTO trigger_deliveries (project_id, delivery_id, source, session_id, turn_id, status, created_at, created_by_id)
     VALUES ($1, $2, 'invoke', $3, $4, 'dispatched', now(), $1)
     ON CONFLICT (project_id, turn_id) DO UPDATE SET delivery_id = $2`,
    [project_id, delivery_id, session_id, turn_id],
  );
  return {
    interaction_id: interaction_id!,
    withdrawn_id: withdrawn_id!,
    share_id: share.share_id,
    ended_share_id: ended.share_id,
    participant_id: participant_id!,
    request_id: request_id!,
    delivery_id,
    below_id: randomUUID(),
  };
}

async function makeShare(caller: Caller, key: string, share: object): Promise<{ share_id: string; token: string }> {
  const made = await caller.post<{ share: { share_id: string }; token: string }>(key, `${SESSIONS}/shares`, share);
  return { share_id: made.share.share_id, token: made.token };
}

/** The shares of `own`, and who came through them. */
async function shareOwn(
  { caller, database, tokens }: House,
  { own, child, sibling, stranger }: Record<TargetName, Target>,
): Promise<Pick<World, 'tokens' | 'participants' | 'requests' | 'through'>> {
  const share = ({ session_id }: Target, scope: string, role: string) =>
    makeShare(caller, tokens.all, { session_id, scope, role });
  const roles = ['reader', 'executor', 'full'] as const;
  const [ofSession, ofTree] = [
    await Promise.all(roles.map((role) => share(own, 'session', role))),
    await Promise.all(roles.map((role) => share(own, 'tree', role))),
  ];
  const expired = await share(own, 'tree', 'full');
  await database.query(`UPDATE shares SET expires_at = now() - interval '1 second' WHERE share_id = $1`, [
    expired.share_id,
  ]);
  const revoked = await share(own, 'tree', 'full');
  await caller.post(tokens.all, `${SESSIONS}/shares/revoke`, { share_id: revoked.share_id });

  const join = (token: string) => caller.post(token, `${SESSIONS}/participants/join`, {});
  const guest = await join(ofTree[1]!.token);
  const raised = await join(ofTree[0]!.token);
  const settle = async (
    { participant_id, participant_token }: Record<string, string>,
    role: string,
    verdict: string,
  ) => {
    const path = `${SESSIONS}/participants/role-requests`;
    const { request_id } = await caller.post(participant_token!, path, { participant_id, role });
    await caller.post(tokens.all, `${path}/answer`, { request_id, verdict });
    return request_id;
  };
  const requests = { guest: await settle(guest, 'full', 'deny'), raised: await settle(raised, 'executor', 'approve') };

  const through = (token: string) => makeShare(caller, token, { session_id: own.session_id });
  const { credential } = own.turn;
  return {
    tokens: {
      none: undefined,
      garbage: 'hf_nothing',
      'unknown key': `hf_user_${'0'.repeat(16)}_${'0'.repeat(64)}`,
      'unknown link': `hf_share_${'0'.repeat(16)}_${'0'.repeat(64)}`,
      'unknown participant': `hf_view_${'0'.repeat(16)}_${'0'.repeat(64)}`,
      'forged turn': `${credential.slice(0, -8)}${credential.endsWith('AAAAAAAA') ? 'BBBBBBBB' : 'AAAAAAAA'}`,
      ...tokens,
      turn: credential,
      'other turn': stranger.turn.credential,
      over: own.earlier.credential,
      's.reader': ofSession[0]!.token,
      's.executor': ofSession[1]!.token,
      's.full': ofSession[2]!.token,
      't.reader': ofTree[0]!.token,
      't.executor': ofTree[1]!.token,
      't.full': ofTree[2]!.token,
      guest: guest['participant_token'],
      raised: raised['participant_token'],
      'of sibling': (await share(sibling, 'session', 'full')).token,
      'of child': (await share(child, 'session', 'full')).token,
      expired: expired.token,
      revoked: revoked.token,
    },
    participants: { guest: guest['participant_id'], raised: raised['participant_id'] },
    requests,
    through: {
      's.full': (await through(ofSession[2]!.token)).share_id,
      't.full': (await through(ofTree[2]!.token)).share_id,
    },
  };
}

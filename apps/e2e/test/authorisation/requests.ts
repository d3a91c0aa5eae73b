import { randomUUID } from 'node:crypto';
import { NATIVE, ORIGIN, partsOf, statesOf, type Grant } from '../native-fixture.js';
import type { Asked } from './caller.js';
import type { Credential } from './table.js';
import type { House, Target, World } from './tree.js';

/** What one cell asks for. */
export interface About {
  credential: Credential;
  target: Target;
  world: World;
  house: House;
}

/** How a route is asked, with a request to which nothing is wrong but, maybe, who sends it. */
export interface RouteRequest {
  ask: (about: About) => Asked;
  /** What it is answered besides 2xx when it is allowed: refused by the state that the target is in. */
  refusedByState?: string[];
  /** Of a list: the id by which the target is in the answer. */
  lists?: (about: About) => string;
  /** Of those that one project may send few of at a time. */
  isLarge?: boolean;
  /** What is allowed is done by workers. */
  byWorkers?: boolean;
  /** Where what is allowed takes away what others need: the name of a tree of its own. */
  tree?: (credential: Credential) => string;
}

/** A tree in which no turn runs: to stop what is in it changes nothing. */
export const AT_REST = 'at rest';

const SESSIONS = '/v1/sessions';
const ADMIN = '/v1/admin/sessions';
const STREAM = '/v1/stream';
const DETACHED = { detached: true, start_within_ms: 0 };

const get = (path: string): Asked => ({ method: 'GET', path });
const head = (path: string): Asked => ({ method: 'HEAD', path });
const post = (path: string, body: object, headers?: Record<string, string>): Asked => ({
  method: 'POST',
  path,
  body,
  headers,
});
const put = (path: string, body?: object, headers?: Record<string, string>): Asked => ({
  method: 'PUT',
  path,
  body,
  headers,
});
const patch = (path: string, body: object): Asked => ({ method: 'PATCH', path, body });
const remove = (path: string): Asked => ({ method: 'DELETE', path });

const logOf = ({ session_id }: Target) => `${STREAM}/sessions/${session_id}/events`;
const activityOf = ({ task_id }: Target) => `${STREAM}/tasks/${task_id}/activity`;
const controlOf = ({ replica_id }: World) => `${STREAM}/runners/${replica_id}/control`;

/** The attempt that a turn's credential is for, where it is one of the target's; else the one that runs. */
function attemptOf({ credential, target }: About): Pick<Grant, 'session_id' | 'turn_id' | 'epoch'> {
  const { session_id, turn_id, epoch } = credential === 'over' ? target.earlier : target.turn;
  return { session_id, turn_id, epoch };
}

/** What a save says of its turn; a key's is of none. */
function turnOf(about: About) {
  if (!isTurn(about.credential)) return {};
  const { turn_id, epoch } = attemptOf(about);
  return { turn_id, epoch };
}

const isTurn = (credential: Credential) => ['turn', 'other turn', 'over'].includes(credential);

/** Their own where they have joined the target, else somebody's who has. */
function participantOf({ credential, target, world }: About): string {
  const own = world.participants[credential];
  return target === world.targets.own && own !== undefined ? own : target.participant_id;
}

const throughOf = ({ credential, world }: About) => world.through[credential] ?? world.through['t.full']!;
function saveOf({ credential, target }: About): string {
  if (credential === 'over') return target.earlier_save_id;
  return isTurn(credential) ? target.turn_save_id : target.save_id;
}

const PART = partsOf('main.jsonl', [['{"prompt":"two"}']])[0]!;
function partQuery(): string {
  const { data: _, ...named } = PART;
  return new URLSearchParams(Object.entries(named).map(([name, value]) => [name, String(value)])).toString();
}

export const QUESTION = {
  kind: 'user_approval',
  request: {
    tool_call: { toolCallId: 'call' },
    options: [{ option_id: 'y', name: 'Yes', kind: 'allow_once' }],
  },
};

const JSON_STREAM = { 'content-type': 'application/json' };
/** One that exists; of those who may delete it, one each. */
const streamFor = (credential: Credential) =>
  ['edit', 'all', 'owner'].includes(credential) ? `gone-${credential}` : 'kept';
const SUBSCRIPTIONS = `${STREAM}/__ds/subscriptions`;
export const STREAMS_OF_THE_PROJECT = ['kept', 'gone-edit', 'gone-all', 'gone-owner', 'wakes'];
export const SUBSCRIPTION = { type: 'pull-wake', pattern: 'none/**', wake_stream: 'wakes' };
export const SUBSCRIPTIONS_OF_THE_PROJECT = ['kept', 'gone-edit', 'gone-all', 'gone-owner'];

const invoke = (more: object, command: Pick<RouteRequest, 'refusedByState' | 'tree'> = {}): RouteRequest => ({
  ask: ({ target: { session_id } }) => post(`${SESSIONS}/streams/invoke`, { session_id, ...DETACHED, ...more }),
  ...command,
});
const prompt = 'Go on.';

/** With `where`, asks for what a session has, by the session. */
const ofSession = (path: string, more: object = {}): RouteRequest => ({
  ask: ({ target: { session_id } }) => post(`${SESSIONS}/${path}`, { session_id, ...more }),
});

/** Writes for a turn. */
const ofTurn = (path: string, more: (about: About) => object, refusedByState: string[] = []): RouteRequest => ({
  ask: (about) => post(`${ADMIN}/${path}`, { ...attemptOf(about), ...more(about) }),
  refusedByState,
});

/** Writes for the task of the turn's session. */
const ofCaller = (path: string, body: (about: About) => object): RouteRequest => ({
  ask: (about) => post(`${ADMIN}/tasks/${path}`, body(about)),
});

const reserved = (method: string, path: (about: About) => string): RouteRequest => ({
  ask: (about) => ({ method, path: path(about), ...(method !== 'DELETE' && { body: [] }) }),
});

/** What is killed through a share ends it, and others of the same session. */
const KILLED_BY: Partial<Record<Credential, string>> = {
  run: 'put away',
  all: 'put away',
  owner: 'put away',
  't.full': 'killed through the tree',
};

const wake = (what: string, body: object): RouteRequest => ({
  ask: () => post(`${SUBSCRIPTIONS}/kept/${what}`, body),
});

export const REQUESTS: Record<string, RouteRequest> = {
  // Reads of a session.
  'GET /v1/sessions/:session_id': { ask: ({ target }) => get(`${SESSIONS}/${target.session_id}`) },
  'GET /v1/sessions/streams/:session_id': { ask: ({ target }) => get(`${SESSIONS}/streams/${target.session_id}`) },
  'GET /v1/sessions/streams/:session_id/liveness': {
    ask: ({ target }) => get(`${SESSIONS}/streams/${target.session_id}/liveness`),
  },
  'POST /v1/sessions/streams/turns/query': ofSession('streams/turns/query'),
  'POST /v1/sessions/streams/inbox/query': ofSession('streams/inbox/query'),
  'POST /v1/sessions/transcripts/query': ofSession('transcripts/query'),
  'POST /v1/sessions/shares/openings/query': ofSession('shares/openings/query'),
  'POST /v1/sessions/participants/query': ofSession('participants/query'),
  'POST /v1/sessions/participants/role-requests/query': ofSession('participants/role-requests/query'),
  // Whoever joins with a participant's token moves there, which takes nothing from others.
  'POST /v1/sessions/participants/join': ofSession('participants/join'),
  'GET /v1/stream/sessions/:session_id/events': { ask: ({ target }) => get(`${logOf(target)}?offset=-1`) },
  'GET /v1/stream/sessions/:session_id/events # live': {
    ask: ({ target }) => get(`${logOf(target)}?offset=-1&live=sse`),
  },
  'GET /v1/stream/sessions/:session_id/events # encoded': {
    ask: ({ target }) => get(`${logOf(target).replace('/sessions/', '/%73essions/')}?offset=-1`),
  },
  'HEAD /v1/stream/sessions/:session_id/events': { ask: ({ target }) => head(logOf(target)) },
  'GET /v1/sessions/streams/turns/:turn_id': {
    ask: ({ target }) => get(`${SESSIONS}/streams/turns/${target.turn.turn_id}`),
  },
  'GET /v1/sessions/interactions/:interaction_id': {
    ask: ({ target }) => get(`${SESSIONS}/interactions/${target.interaction_id}`),
  },

  // Reads of a tree.
  'GET /v1/sessions/tasks/:task_id': { ask: ({ target }) => get(`${SESSIONS}/tasks/${target.task_id}`) },
  'POST /v1/sessions/tasks/query # below a task': {
    ask: ({ target }) => post(`${SESSIONS}/tasks/query`, { ancestor_task_id: target.task_id }),
  },
  'GET /v1/stream/tasks/:task_id/activity': { ask: ({ target }) => get(`${activityOf(target)}?offset=-1`) },
  'HEAD /v1/stream/tasks/:task_id/activity': { ask: ({ target }) => head(activityOf(target)) },
  'POST /v1/sessions/tasks/names': {
    ask: ({ target }) => post(`${SESSIONS}/tasks/names`, { task_ids: [target.task_id] }),
    lists: ({ target }) => target.task_id,
  },

  // Lists and views of many.
  'POST /v1/sessions/query': {
    ask: () => post(`${SESSIONS}/query`, { limit: 200 }),
    lists: ({ target }) => target.session_id,
  },
  'POST /v1/sessions/streams/query': {
    ask: ({ target }) => post(`${SESSIONS}/streams/query`, { session_ids: [target.session_id] }),
    lists: ({ target }) => target.session_id,
  },
  'POST /v1/sessions/streams/watch': {
    ask: ({ target: { session_id } }) =>
      post(`${SESSIONS}/streams/watch`, { sessions: [{ session_id, offset: '-1' }] }),
    lists: () => 'event: data',
  },
  'POST /v1/sessions/streams/watch # activities': {
    ask: ({ target: { task_id } }) =>
      post(`${SESSIONS}/streams/watch`, { sessions: [], activities: [{ task_id, offset: '-1' }] }),
    lists: () => 'event: data',
  },
  'POST /v1/sessions/interactions/query': {
    ask: ({ target: { session_id } }) => post(`${SESSIONS}/interactions/query`, { session_id }),
    lists: ({ target }) => target.interaction_id,
  },
  'POST /v1/sessions/tasks/query': {
    ask: ({ target: { session_id } }) => post(`${SESSIONS}/tasks/query`, { session_id }),
    lists: ({ target }) => target.session_id,
  },

  // Prompts. A turn of each session runs.
  'POST /v1/sessions/streams/invoke # send': invoke({ prompt }, { refusedByState: ['409 session_in_use'] }),
  'POST /v1/sessions/streams/invoke # steer': invoke({ prompt, force: true }, { tree: () => 'driven' }),
  'POST /v1/sessions/streams/invoke # send with another agent': invoke(
    { prompt, agent: { name: 'scripted' } },
    { refusedByState: ['409 session_in_use'] },
  ),
  'POST /v1/sessions/streams/invoke # send with a fresh start': invoke(
    { prompt, fresh_start: true },
    { refusedByState: ['409 session_in_use'] },
  ),
  // Of a turn that is over, which changes nothing.
  'POST /v1/sessions/streams/invoke # cancel': {
    ask: ({ target: { session_id, earlier } }) =>
      post(`${SESSIONS}/streams/invoke`, { session_id, turn_id: earlier.turn_id, detached: true }),
  },
  'POST /v1/sessions/streams/invoke # attach': {
    ask: ({ target: { session_id } }) =>
      post(`${SESSIONS}/streams/invoke`, { session_id, force: true, detached: true }),
  },
  'POST /v1/sessions/streams/detach': ofSession('streams/detach', { watcher_id: randomUUID() }),
  'POST /v1/sessions/interactions/:interaction_id/respond': {
    ask: ({ target }) => post(`${SESSIONS}/interactions/${target.interaction_id}/respond`, { decision: 'deny' }),
    refusedByState: ['409 interaction_already_answered', '409 interaction_closed'],
  },
  'POST /v1/sessions/tasks/cancel': {
    ask: ({ target: { task_id } }) => post(`${SESSIONS}/tasks/cancel`, { task_id }),
    tree: () => AT_REST,
    byWorkers: true,
  },

  // What takes the highest role.
  'POST /v1/sessions/streams/kill': {
    ...ofSession('streams/kill'),
    tree: (credential) => KILLED_BY[credential] ?? 'killed',
  },
  'POST /v1/sessions/streams/inbox/reorder': {
    ...ofSession('streams/inbox/reorder', { turn_ids: [randomUUID()] }),
    refusedByState: ['409 inbox_changed'],
  },
  // Of somebody else's prompt; again, which changes nothing.
  'POST /v1/sessions/streams/inbox/withdraw': {
    ask: ({ target: { session_id, withdrawn_id } }) =>
      post(`${SESSIONS}/streams/inbox/withdraw`, { session_id, turn_id: withdrawn_id }),
  },
  'POST /v1/sessions/tasks/kill': {
    ask: ({ target: { task_id } }) => post(`${SESSIONS}/tasks/kill`, { task_id }),
    tree: (credential) => (credential === 't.full' ? 'killed from a task' : 'put away'),
    byWorkers: true,
  },
  'POST /v1/sessions/shares': ofSession('shares'),
  'POST /v1/sessions/shares # of a task': {
    ask: ({ target: { task_id } }) => post(`${SESSIONS}/shares`, { task_id }),
  },
  'POST /v1/sessions/participants/role-requests/answer': {
    ask: ({ target: { request_id } }) =>
      post(`${SESSIONS}/participants/role-requests/answer`, { request_id, verdict: 'deny' }),
    refusedByState: ['409 role_request_settled'],
  },

  // Shares that are there.
  'GET /v1/sessions/shares/:share_id': { ask: ({ target }) => get(`${SESSIONS}/shares/${target.share_id}`) },
  'PATCH /v1/sessions/shares/:share_id': {
    ask: ({ target }) => patch(`${SESSIONS}/shares/${target.share_id}`, { name: 'Seen' }),
  },
  'POST /v1/sessions/shares/revoke': {
    ask: ({ target }) => post(`${SESSIONS}/shares/revoke`, { share_id: target.ended_share_id }),
  },
  'POST /v1/sessions/shares/rotate': {
    ask: ({ target }) => post(`${SESSIONS}/shares/rotate`, { share_id: target.ended_share_id }),
    refusedByState: ['409 share_over'],
  },
  'POST /v1/sessions/shares/query': {
    ask: ({ target: { session_id } }) => post(`${SESSIONS}/shares/query`, { session_id, limit: 200 }),
    lists: ({ target }) => target.share_id,
  },
  'GET /v1/sessions/shares/:share_id # made through a share': {
    ask: (about) => get(`${SESSIONS}/shares/${throughOf(about)}`),
  },
  'PATCH /v1/sessions/shares/:share_id # made through a share': {
    ask: (about) => patch(`${SESSIONS}/shares/${throughOf(about)}`, { name: 'Seen' }),
  },
  'POST /v1/sessions/shares/query # made through a share': {
    ask: ({ target: { session_id } }) => post(`${SESSIONS}/shares/query`, { session_id, limit: 200 }),
    lists: throughOf,
  },

  // What participants do with themselves.
  'PATCH /v1/sessions/participants/self': {
    ask: (about) => patch(`${SESSIONS}/participants/self`, { participant_id: participantOf(about), name: 'Me' }),
    // Unheard of for long, where the machine is slow.
    refusedByState: ['409 participant_away'],
  },
  'POST /v1/sessions/participants/leave': {
    ask: (about) => post(`${SESSIONS}/participants/leave`, { participant_id: participantOf(about) }),
    tree: () => 'driven',
  },
  'POST /v1/sessions/participants/role-requests': {
    ask: (about) =>
      post(`${SESSIONS}/participants/role-requests`, { participant_id: participantOf(about), role: 'full' }),
    tree: () => 'asked',
  },
  'POST /v1/sessions/participants/role-requests/withdraw': {
    ask: ({ credential, target, world }) => {
      const own = target === world.targets.own ? world.requests[credential] : undefined;
      return post(`${SESSIONS}/participants/role-requests/withdraw`, { request_id: own ?? target.request_id });
    },
    refusedByState: ['409 role_request_settled'],
  },

  // What no share opens.
  'PUT /v1/sessions/:session_id': { ask: ({ target }) => put(`${SESSIONS}/${target.session_id}`, {}) },
  'POST /v1/sessions/:session_id/archive': {
    ask: ({ target }) => ({ method: 'POST', path: `${SESSIONS}/${target.session_id}/archive` }),
    tree: () => 'put away',
  },
  // Of one that is in use, which changes nothing.
  'POST /v1/sessions/:session_id/unarchive': {
    ask: ({ target }) => ({ method: 'POST', path: `${SESSIONS}/${target.session_id}/unarchive` }),
  },
  'DELETE /v1/sessions/:session_id': {
    ask: ({ target }) => remove(`${SESSIONS}/${target.session_id}`),
    tree: (credential) => `deleted by ${credential}`,
  },
  // Under an id of its own, so that it is one task whoever makes it.
  'POST /v1/sessions/tasks': {
    ask: ({ target: { task_id, below_id } }) =>
      post(`${SESSIONS}/tasks`, { task_id: below_id, parent_task_id: task_id }),
  },
  'POST /v1/sessions/tasks # with a session': {
    ...ofSession('tasks'),
    refusedByState: ['409 task_session_taken'],
  },
  'PATCH /v1/sessions/tasks/:task_id': {
    ask: ({ target }) => patch(`${SESSIONS}/tasks/${target.task_id}`, { title: 'Seen' }),
  },
  'GET /v1/triggers/deliveries/:delivery_id': {
    ask: ({ target }) => get(`/v1/triggers/deliveries/${target.delivery_id}`),
  },
  'POST /v1/triggers/deliveries/query': {
    ask: ({ target: { session_id } }) => post('/v1/triggers/deliveries/query', { session_id }),
    lists: ({ target }) => target.delivery_id,
  },

  // Native transcripts. A key saves none while a turn runs.
  'POST /v1/admin/sessions/transcripts/native': {
    ask: (about) => {
      const { session_id } = about.target;
      const save = { session_id, native_id: randomUUID(), harness: 'claude', origin: ORIGIN, ...turnOf(about) };
      return post(NATIVE, save, { 'if-none-match': '*' });
    },
    refusedByState: ['409 session_in_use'],
  },
  'PUT /v1/admin/sessions/transcripts/native/envelope': {
    ask: ({ target: { session_id } }) =>
      put(`${NATIVE}/envelope?session_id=${session_id}&format=codex_cli`, {
        cwd: '/',
        session_id: randomUUID(),
        entries: [{ type: 'session_meta' }],
      }),
    refusedByState: ['409 session_in_use'],
    isLarge: true,
  },
  'POST /v1/admin/sessions/transcripts/native/convert': {
    ask: (about) => {
      const { session_id } = about.target;
      return post(`${NATIVE}/convert`, { session_id, harness: 'codex', origin: ORIGIN, ...turnOf(about) });
    },
    // There are no records to make it of.
    refusedByState: ['409 session_in_use', '404 resume_state_missing'],
  },
  'PUT /v1/admin/sessions/transcripts/native/saves/:save_id/parts': {
    ask: (about) => put(`${NATIVE}/saves/${saveOf(about)}/parts?${partQuery()}`, PART.data),
    refusedByState: ['409 session_in_use'],
  },
  'POST /v1/admin/sessions/transcripts/native/saves/:save_id/finish': {
    ask: (about) => post(`${NATIVE}/saves/${saveOf(about)}/finish`, { files: statesOf([PART]), save_point: 'push' }),
    refusedByState: ['409 session_in_use'],
  },
  'GET /v1/admin/sessions/transcripts/native/manifest': {
    ask: ({ target }) => get(`${NATIVE}/manifest?session_id=${target.session_id}`),
  },
  'GET /v1/admin/sessions/transcripts/native/content': {
    ask: ({ target }) => get(`${NATIVE}/content?session_id=${target.session_id}&as=tar`),
  },
  'POST /v1/admin/sessions/transcripts/native/query': {
    ask: ({ target: { session_id } }) => post(`${NATIVE}/query`, { session_id }),
    lists: ({ target }) => target.conversation_id,
  },
  'POST /v1/admin/sessions/transcripts/native/versions/query': {
    ask: ({ target: { conversation_id } }) => post(`${NATIVE}/versions/query`, { conversation_id }),
  },

  // Of the turn that runs.
  'POST /v1/admin/sessions/streams/detach': {
    ...ofTurn('streams/detach', () => ({ reason: 'drain' })),
    tree: () => 'handed over',
  },
  'POST /v1/admin/sessions/streams/merge': ofTurn(
    'streams/merge',
    ({ target }) => ({ merged_turn_id: target.withdrawn_id }),
    ['409 prompt_not_offered'],
  ),
  'POST /v1/admin/sessions/streams/complete': {
    ...ofTurn('streams/complete', () => ({ status: 'completed' })),
    tree: () => 'completed',
  },
  'POST /v1/admin/sessions/interactions': ofTurn('interactions', () => ({ token: 'asked', ...QUESTION })),
  'POST /v1/admin/sessions/interactions/:interaction_id/resolve': {
    ask: (about) => post(`${ADMIN}/interactions/${about.target.interaction_id}/resolve`, attemptOf(about)),
  },
  'POST /v1/stream/sessions/:session_id/events': {
    ask: (about) => {
      const { turn_id, epoch } = attemptOf(about);
      const event = { type: 'agent.update', at: new Date().toISOString(), turn_id, data: {} };
      const producer = { 'producer-id': 'runner', 'producer-epoch': String(epoch), 'producer-seq': '0' };
      return post(logOf(about.target), [event], producer);
    },
  },
  'POST /v1/admin/sessions/tasks/run': {
    ask: () => {
      const agents = [{ name: 'Helper', prompt, agent: { name: 'scripted' } }];
      return post(`${ADMIN}/tasks/run`, { agents }, { 'idempotency-key': 'once' });
    },
  },
  'POST /v1/admin/sessions/tasks/messages': ofCaller('messages', ({ target }) => ({
    to: [target.task_id],
    body: 'Hello.',
  })),
  'POST /v1/admin/sessions/tasks/messages/query': ofCaller('messages/query', () => ({})),
  'POST /v1/admin/sessions/tasks/messages/wait': ofCaller('messages/wait', () => ({ timeout_seconds: 0 })),
  'POST /v1/admin/sessions/tasks/messages/delivered': ofCaller('messages/delivered', () => ({
    message_ids: [randomUUID()],
  })),
  'POST /v1/admin/sessions/tasks/messages/read': ofCaller('messages/read', () => ({ message_ids: [randomUUID()] })),

  // Of runners.
  'POST /v1/admin/sessions/streams/register': {
    ask: ({ house: { replica_id, pool, private_pool } }) =>
      post(`${ADMIN}/streams/register`, { replica_id, pools: [pool], private_pool }),
  },
  'POST /v1/admin/sessions/streams/claim': {
    ask: ({ house: { replica_id } }) => post(`${ADMIN}/streams/claim`, { replica_id, capacity: 1, wait_seconds: 0 }),
  },
  'POST /v1/admin/sessions/streams/heartbeat': {
    ask: ({ house: { replica_id } }) => post(`${ADMIN}/streams/heartbeat`, { replica_id, turns: [] }),
  },
  'GET /v1/stream/runners/:replica_id/control': { ask: ({ world }) => get(`${controlOf(world)}?offset=-1`) },

  // Of the project.
  'GET /v1/agents/:name': { ask: ({ house }) => get(`/v1/agents/${house.pool}`) },
  'PUT /v1/agents/:name': {
    ask: ({ house: { pool } }) => put(`/v1/agents/${pool}`, { harness: 'scripted', pool }),
  },
  'POST /v1/agents/query': { ask: () => post('/v1/agents/query', {}) },
  'GET /v1/project/settings': { ask: () => get('/v1/project/settings') },
  'PATCH /v1/project/settings': { ask: () => patch('/v1/project/settings', { allow_approval_bypass: false }) },

  // Streams of the project's own.
  'GET /v1/stream/*': { ask: () => get(`${STREAM}/kept?offset=-1`) },
  'HEAD /v1/stream/*': { ask: () => head(`${STREAM}/kept`) },
  'POST /v1/stream/*': { ask: () => post(`${STREAM}/kept`, [1]) },
  'PUT /v1/stream/*': { ask: () => put(`${STREAM}/kept`, undefined, JSON_STREAM) },
  'DELETE /v1/stream/*': { ask: ({ credential }) => remove(`${STREAM}/${streamFor(credential)}`) },
  'PUT /v1/stream/__ds/subscriptions/:subscription_id': { ask: () => put(`${SUBSCRIPTIONS}/kept`, SUBSCRIPTION) },
  'GET /v1/stream/__ds/subscriptions/:subscription_id': { ask: () => get(`${SUBSCRIPTIONS}/kept`) },
  'POST /v1/stream/__ds/subscriptions/:subscription_id/streams': {
    ask: () => post(`${SUBSCRIPTIONS}/kept/streams`, { streams: ['kept'] }),
  },
  'DELETE /v1/stream/__ds/subscriptions/:subscription_id/streams/*': {
    ask: () => remove(`${SUBSCRIPTIONS}/kept/streams/kept`),
  },
  'DELETE /v1/stream/__ds/subscriptions/:subscription_id': {
    ask: ({ credential }) => remove(`${SUBSCRIPTIONS}/${streamFor(credential)}`),
  },
  'POST /v1/stream/__ds/subscriptions/:subscription_id/claim': {
    ask: () => post(`${SUBSCRIPTIONS}/kept/claim`, { worker: 'w' }),
    refusedByState: ['409 no_pending_work', '409 wake_already_claimed'],
  },

  // Written by nobody from outside.
  'PUT /v1/stream/sessions/:session_id/events': reserved('PUT', ({ target }) => logOf(target)),
  'DELETE /v1/stream/sessions/:session_id/events': reserved('DELETE', ({ target }) => logOf(target)),
  'PUT /v1/stream/tasks/:task_id/activity': reserved('PUT', ({ target }) => activityOf(target)),
  'POST /v1/stream/tasks/:task_id/activity': reserved('POST', ({ target }) => activityOf(target)),
  'DELETE /v1/stream/tasks/:task_id/activity': reserved('DELETE', ({ target }) => activityOf(target)),
  'PUT /v1/stream/runners/:replica_id/control': reserved('PUT', ({ world }) => controlOf(world)),
  'POST /v1/stream/runners/:replica_id/control': reserved('POST', ({ world }) => controlOf(world)),
  'DELETE /v1/stream/runners/:replica_id/control': reserved('DELETE', ({ world }) => controlOf(world)),

  // For anybody.
  'GET /health/live': { ask: () => get('/health/live') },
  'GET /health/ready': { ask: () => get('/health/ready') },
  'GET /metrics': { ask: () => get('/metrics') },
  'GET /v1/stream/__ds/jwks.json': { ask: () => get(`${STREAM}/__ds/jwks.json`) },
  'POST /v1/stream/__ds/subscriptions/:subscription_id/ack': wake('ack', { wake_id: 'w', generation: 1 }),
  'POST /v1/stream/__ds/subscriptions/:subscription_id/callback': wake('callback', { wake_id: 'w', generation: 1 }),
  'POST /v1/stream/__ds/subscriptions/:subscription_id/release': wake('release', { wake_id: 'w', generation: 1 }),
};

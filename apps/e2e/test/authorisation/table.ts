/**
 * Who may do what: what people review when a route, a kind of credential or a rule is added. Nothing here is computed from
 * what the product says of itself.
 */

/** What requests are about, seen from the host of the shares: `own`. `private` is a local run of another key, `owner`. */
export const TARGETS = ['own', 'child', 'sibling', 'parent', 'stranger', 'private'] as const;
export type TargetName = (typeof TARGETS)[number];

/** Each column of the table, with the credentials that it stands for. */
export const COLUMNS = {
  nobody: ['none', 'garbage', 'unknown key', 'unknown link', 'unknown participant', 'forged turn'],
  /** A key of another project, with every permission there. */
  foreign: ['foreign'],
  /** Keys with one permission each. */
  view: ['view'],
  edit: ['edit'],
  run: ['run'],
  respond: ['respond'],
  manage: ['manage'],
  /** Keys with every permission; `owner` is the one that began the private session. */
  all: ['all', 'owner'],
  runner: ['runner'],
  /** Of turns that run: of the session `own`, and of the session `stranger`. */
  turn: ['turn', 'other turn'],
  /** Of a turn of the session `own` that has ended. */
  over: ['over'],
  /** Links, by scope and role. All are of `own`, but the last two of `full`, which are of one session each. */
  reader: ['s.reader', 't.reader'],
  /** Besides: whoever joined with a link of the tree, and whoever joined as a reader and was given the role. */
  executor: ['s.executor', 't.executor', 'guest', 'raised'],
  full: ['s.full', 't.full', 'of sibling', 'of child'],
  /** Of the tree and with the highest role, as they were. */
  ended: ['expired', 'revoked'],
} as const;
export type Column = keyof typeof COLUMNS;
export type Credential = (typeof COLUMNS)[Column][number];

/**
 * Which targets a credential reaches, by the first letter of each (`l`: the private one, a local run).
 *
 * - `session`: a session, its task and what it has.
 * - `tree`: a task with all that descends from it.
 * - `names`: what tasks are called, of the tree that somebody has a part of.
 * - `made`: shares that a key made. Who came through a share sees those that were made through it: `through`.
 * - `self`: what is for participants themselves: `guest` and `raised` have joined `own`, as nobody else here.
 * - `mates`: who an agent may write to.
 * - `project`: what no session has a part in.
 */
export const REACH = `
             session  tree     names    made     through  self     mates    project
  foreign    ------   ------   ------   ------   ------   ------   ------   ------
  view       ocspx-   ocspx-   ocspx-   ocspx-   o-----   ------   ------   o-----
  edit       ocspx-   ocspx-   ocspx-   ocspx-   o-----   ------   ------   o-----
  run        ocspx-   ocspx-   ocspx-   ocspx-   o-----   ------   ------   o-----
  respond    ocspx-   ocspx-   ocspx-   ocspx-   o-----   ------   ------   o-----
  manage     ocspx-   ocspx-   ocspx-   ocspx-   o-----   ------   ------   o-----
  all        ocspx-   ocspx-   ocspx-   ocspx-   o-----   ------   ------   o-----
  owner      ocspxl   ocspxl   ocspxl   ocspxl   o-----   ------   ------   o-----
  runner     ------   ------   ------   ------   ------   ------   ------   o-----
  turn       o-----   ------   ------   ------   ------   ------   ocsp--   o-----
  other turn ----x-   ------   ------   ------   ------   ------   ----x-   o-----
  over       o-----   ------   ------   ------   ------   ------   ocsp--   o-----
  s.reader   o-----   ------   ocsp--   ------   ------   ------   ------   o-----
  s.executor o-----   ------   ocsp--   ------   ------   ------   ------   o-----
  s.full     o-----   ------   ocsp--   ------   o-----   ------   ------   o-----
  t.reader   oc----   oc----   ocsp--   ------   ------   ------   ------   o-----
  t.executor oc----   oc----   ocsp--   ------   ------   ------   ------   o-----
  t.full     oc----   oc----   ocsp--   ------   o-----   ------   ------   o-----
  guest      oc----   oc----   ocsp--   ------   ------   o-----   ------   o-----
  raised     oc----   oc----   ocsp--   ------   ------   o-----   ------   o-----
  of sibling --s---   ------   ocsp--   ------   ------   ------   ------   o-----
  of child   -c----   ------   ocsp--   ------   ------   ------   ------   o-----
`;

/**
 * Rules, and the routes that follow each (` # ` tells apart requests that one route answers by different rules).
 *
 * - `ok`: allowed, on what the credential reaches; on all else the answer is that of "out of reach", with 404 (two of
 *   them: to keys, and to shares). What "allowed" is answered with is in requests.ts: where the effect would take away what other
 *   cells need, it is a refusal by the state that a target is in (a live turn, a share that is over …).
 * - `out`: out of reach, whatever is named.
 * - `any`: allowed, whoever asks. `apart`: allowed, in a project of its own, where none of this is touched.
 * - `seen`: a list, and what is in reach is in it, and nothing else. `unseen`: a list, and none of this is in it.
 * - `401`: unauthenticated. `ended`: share_ended. `kind`: credential_kind. `perm`: permission_denied, whatever is named.
 *   `role`: permission_denied on what is in reach (of a tree: on its task), on all else out of reach. `scope`: credential_scope.
 *   `own`: allowed on its own attempt, on all else credential_scope. `stale`: on its own attempt stale_epoch, on all
 *   else credential_scope; `late`: the same, with out of reach for credential_scope; `stale!`: stale_epoch, whatever is
 *   named.
 *   `agent`: share_agent_fixed on what is in reach. `reserved`: stream_reserved. `wake`: wake_token_invalid.
 */
export const RULES = `
reach    out of reach                  nobody foreign view   edit   run    respond manage all    runner turn   over   reader executor full   ended

READS OF A SESSION
session  session_not_found             401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   ok     ok       ok     ended
  GET /v1/sessions/:session_id
  GET /v1/sessions/streams/:session_id
  GET /v1/sessions/streams/:session_id/liveness
  POST /v1/sessions/streams/turns/query
  POST /v1/sessions/streams/inbox/query
  POST /v1/sessions/transcripts/query
  POST /v1/sessions/shares/openings/query
  POST /v1/sessions/participants/query
  POST /v1/sessions/participants/role-requests/query
  POST /v1/sessions/participants/join
session  stream_not_found/session_not_found  401 out  ok     perm   perm   perm    perm   ok     kind   kind   kind   ok     ok       ok     ended
  GET /v1/stream/sessions/:session_id/events
  GET /v1/stream/sessions/:session_id/events # live
  GET /v1/stream/sessions/:session_id/events # encoded
  HEAD /v1/stream/sessions/:session_id/events
session  turn_not_found                401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   ok     ok       ok     ended
  GET /v1/sessions/streams/turns/:turn_id
session  interaction_not_found         401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   ok     ok       ok     ended
  GET /v1/sessions/interactions/:interaction_id

READS OF A TREE
session  task_not_found                401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   ok     ok       ok     ended
  GET /v1/sessions/tasks/:task_id
  POST /v1/sessions/tasks/query # below a task
tree     task_not_found                401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   ok     ok       ok     ended
  GET /v1/stream/tasks/:task_id/activity
  HEAD /v1/stream/tasks/:task_id/activity
names    -                             401    seen    seen   perm   perm   perm    perm   seen   kind   kind   kind   seen   seen     seen   ended
  POST /v1/sessions/tasks/names

LISTS AND VIEWS OF MANY
session  -                             401    seen    seen   perm   perm   perm    perm   seen   kind   kind   kind   seen   seen     seen   ended
  POST /v1/sessions/query
  POST /v1/sessions/streams/query
  POST /v1/sessions/streams/watch
  POST /v1/sessions/interactions/query
  POST /v1/sessions/tasks/query
tree     -                             401    seen    seen   perm   perm   perm    perm   seen   kind   kind   kind   seen   seen     seen   ended
  POST /v1/sessions/streams/watch # activities

PROMPTS, AND WHAT EXECUTORS DO
session  session_not_found             401    apart   perm   perm   ok     perm    perm   ok     kind   kind   kind   role   ok       ok     ended
  POST /v1/sessions/streams/invoke # send
  POST /v1/sessions/streams/invoke # steer
session  session_not_found             401    out     perm   perm   ok     perm    perm   ok     kind   kind   kind   role   ok       ok     ended
  POST /v1/sessions/streams/invoke # cancel
  POST /v1/sessions/streams/invoke # attach
  POST /v1/sessions/streams/detach
session  session_not_found             401    apart   perm   perm   ok     perm    perm   ok     kind   kind   kind   role   agent    agent  ended
  POST /v1/sessions/streams/invoke # send with another agent
  POST /v1/sessions/streams/invoke # send with a fresh start
session  interaction_not_found         401    out     perm   perm   ok     ok      perm   ok     kind   kind   kind   perm   ok       ok     ended
  POST /v1/sessions/interactions/:interaction_id/respond
tree     task_not_found                401    out     perm   perm   ok     perm    perm   ok     kind   kind   kind   role   ok       ok     ended
  POST /v1/sessions/tasks/cancel

WHAT TAKES THE HIGHEST ROLE
session  session_not_found             401    out     perm   perm   ok     perm    perm   ok     kind   kind   kind   role   role     ok     ended
  POST /v1/sessions/streams/kill
  POST /v1/sessions/streams/inbox/reorder
  POST /v1/sessions/streams/inbox/withdraw
tree     task_not_found                401    out     perm   perm   ok     perm    perm   ok     kind   kind   kind   role   role     ok     ended
  POST /v1/sessions/tasks/kill
session  session_not_found             401    out     perm   ok     perm   perm    perm   ok     kind   kind   kind   perm   perm     ok     ended
  POST /v1/sessions/shares
session  task_not_found                401    out     perm   ok     perm   perm    perm   ok     kind   kind   kind   perm   perm     ok     ended
  POST /v1/sessions/shares # of a task
session  role_request_not_found        401    out     perm   ok     perm   perm    perm   ok     kind   kind   kind   perm   perm     ok     ended
  POST /v1/sessions/participants/role-requests/answer

SHARES THAT ARE THERE
made     share_not_found               401    out     perm   ok     perm   perm    perm   ok     kind   kind   kind   perm   perm     ok     ended
  GET /v1/sessions/shares/:share_id
  PATCH /v1/sessions/shares/:share_id
  POST /v1/sessions/shares/revoke
  POST /v1/sessions/shares/rotate
made     -                             401    seen    perm   seen   perm   perm    perm   seen   kind   kind   kind   perm   perm     seen   ended
  POST /v1/sessions/shares/query
through  share_not_found               401    out     perm   ok     perm   perm    perm   ok     kind   kind   kind   perm   perm     ok     ended
  GET /v1/sessions/shares/:share_id # made through a share
  PATCH /v1/sessions/shares/:share_id # made through a share
through  -                             401    seen    perm   seen   perm   perm    perm   seen   kind   kind   kind   perm   perm     seen   ended
  POST /v1/sessions/shares/query # made through a share

WHAT PARTICIPANTS DO WITH THEMSELVES
self     participant_not_found         401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   ok     ok       ok     ended
  PATCH /v1/sessions/participants/self
  POST /v1/sessions/participants/leave
  POST /v1/sessions/participants/role-requests
self     role_request_not_found        401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   ok     ok       ok     ended
  POST /v1/sessions/participants/role-requests/withdraw

WHAT NO SHARE OPENS
session  session_not_found             401    apart   perm   ok     perm   perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  PUT /v1/sessions/:session_id
session  session_not_found             401    out     perm   ok     perm   perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  POST /v1/sessions/:session_id/archive
  POST /v1/sessions/:session_id/unarchive
  DELETE /v1/sessions/:session_id
session  task_not_found                401    out     perm   perm   ok     perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  POST /v1/sessions/tasks
  PATCH /v1/sessions/tasks/:task_id
session  session_not_found             401    out     perm   perm   ok     perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  POST /v1/sessions/tasks # with a session
session  trigger_delivery_not_found    401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  GET /v1/triggers/deliveries/:delivery_id
session  -                             401    seen    seen   perm   perm   perm    perm   seen   kind   kind   kind   kind   kind     kind   ended
  POST /v1/triggers/deliveries/query

NATIVE TRANSCRIPTS
session  session_not_found             401    apart   perm   perm   ok     perm    perm   ok     kind   own    stale  kind   kind     kind   ended
  POST /v1/admin/sessions/transcripts/native
  PUT /v1/admin/sessions/transcripts/native/envelope
session  session_not_found             401    out     perm   perm   ok     perm    perm   ok     kind   own    stale  kind   kind     kind   ended
  POST /v1/admin/sessions/transcripts/native/convert
session  native_save_not_found         401    out     perm   perm   ok     perm    perm   ok     kind   ok     late   kind   kind     kind   ended
  PUT /v1/admin/sessions/transcripts/native/saves/:save_id/parts
  POST /v1/admin/sessions/transcripts/native/saves/:save_id/finish
session  resume_state_missing          401    out     perm   perm   ok     perm    perm   ok     kind   ok     ok     kind   kind     kind   ended
  GET /v1/admin/sessions/transcripts/native/manifest
  GET /v1/admin/sessions/transcripts/native/content
  POST /v1/admin/sessions/transcripts/native/versions/query
session  -                             401    seen    perm   perm   seen   perm    perm   seen   kind   seen   seen   kind   kind     kind   ended
  POST /v1/admin/sessions/transcripts/native/query

OF THE TURN THAT RUNS
session  -                             401    kind    kind   kind   kind   kind    kind   kind   kind   own    own    kind   kind     kind   ended
  POST /v1/admin/sessions/streams/detach
  POST /v1/admin/sessions/streams/complete
session  -                             401    kind    kind   kind   kind   kind    kind   kind   kind   own    stale  kind   kind     kind   ended
  POST /v1/admin/sessions/streams/merge
  POST /v1/admin/sessions/interactions
  POST /v1/admin/sessions/interactions/:interaction_id/resolve
  POST /v1/stream/sessions/:session_id/events
project  -                             401    kind    kind   kind   kind   kind    kind   kind   kind   ok     stale! kind   kind     kind   ended
  POST /v1/admin/sessions/tasks/run
  POST /v1/admin/sessions/tasks/messages/wait
  POST /v1/admin/sessions/tasks/messages/delivered
  POST /v1/admin/sessions/tasks/messages/read
project  -                             401    kind    kind   kind   kind   kind    kind   kind   kind   ok     ok     kind   kind     kind   ended
  POST /v1/admin/sessions/tasks/messages/query
mates    422:recipient_unknown         401    kind    kind   kind   kind   kind    kind   kind   kind   ok     stale! kind   kind     kind   ended
  POST /v1/admin/sessions/tasks/messages

OF RUNNERS
project  -                             401    kind    kind   kind   kind   kind    kind   kind   ok     kind   kind   kind   kind     kind   ended
  POST /v1/admin/sessions/streams/register
  POST /v1/admin/sessions/streams/claim
project  -                             401    kind    kind   kind   kind   kind    kind   kind   ok     scope  scope  kind   kind     kind   ended
  POST /v1/admin/sessions/streams/heartbeat
  GET /v1/stream/runners/:replica_id/control

OF THE PROJECT
project  agent_not_found               401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  GET /v1/agents/:name
project  -                             401    apart   ok     perm   perm   perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  POST /v1/agents/query
  GET /v1/project/settings
project  -                             401    apart   perm   perm   perm   perm    ok     ok     kind   kind   kind   kind   kind     kind   ended
  PUT /v1/agents/:name
  PATCH /v1/project/settings

STREAMS OF THE PROJECT'S OWN
project  stream_not_found              401    out     ok     perm   perm   perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  GET /v1/stream/*
  HEAD /v1/stream/*
project  stream_not_found              401    out     perm   ok     perm   perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  POST /v1/stream/*
  DELETE /v1/stream/*
project  -                             401    apart   perm   ok     perm   perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  PUT /v1/stream/*
  PUT /v1/stream/__ds/subscriptions/:subscription_id
project  subscription_not_found        401    out     perm   ok     perm   perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  GET /v1/stream/__ds/subscriptions/:subscription_id
  POST /v1/stream/__ds/subscriptions/:subscription_id/streams
  DELETE /v1/stream/__ds/subscriptions/:subscription_id/streams/*
  DELETE /v1/stream/__ds/subscriptions/:subscription_id
project  subscription_not_found        401    out     perm   perm   ok     perm    perm   ok     kind   kind   kind   kind   kind     kind   ended
  POST /v1/stream/__ds/subscriptions/:subscription_id/claim

WRITTEN BY NOBODY FROM OUTSIDE
project  -                             401    reserved perm  reserved perm perm    perm   reserved kind kind   kind   kind   kind     kind   ended
  PUT /v1/stream/sessions/:session_id/events
  DELETE /v1/stream/sessions/:session_id/events
  PUT /v1/stream/tasks/:task_id/activity
  POST /v1/stream/tasks/:task_id/activity
  DELETE /v1/stream/tasks/:task_id/activity
  PUT /v1/stream/runners/:replica_id/control
  POST /v1/stream/runners/:replica_id/control
  DELETE /v1/stream/runners/:replica_id/control

FOR ANYBODY
project  -                             any    any     any    any    any    any     any    any    any    any    any    any    any      any    any
  GET /health/live
  GET /health/ready
  GET /metrics
  GET /v1/stream/__ds/jwks.json
project  -                             wake   wake    wake   wake   wake   wake    wake   wake   wake   wake   wake   wake   wake     wake   wake
  POST /v1/stream/__ds/subscriptions/:subscription_id/ack
  POST /v1/stream/__ds/subscriptions/:subscription_id/callback
  POST /v1/stream/__ds/subscriptions/:subscription_id/release
`;

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Durations } from '../statistics.mjs';
import { Connection } from './connection.mjs';
import { call } from './json-call.mjs';
import { readRequest, sessionRequest } from './requests.mjs';
import { WatchViewer } from './watch-viewer.mjs';

const TASKS = '/v1/sessions/tasks';
const SHARES = '/v1/sessions/shares';
/** A tree of 10 000 is 13 deep. */
const CHILDREN = 2;
const SETTLE_MS = 100;

/**
 * Makes a tree whose root and `withLog` of whose descendants, those spread over it, have sessions that can be read. The
 * rows of the descendants are put in place of the requests that would have made them, each with the share that a remote
 * task makes of itself. Resolves to the sessions: `{ root, readable }`.
 */
export async function plantTree({ server, databaseUrl, descendants, withLog }) {
  const connection = await Connection.open(server.port);
  const root = await makeSession(connection, server);
  const readable = [];
  while (readable.length < withLog) readable.push(await makeSession(connection, server));
  const { task_id } = await call(connection, server, TASKS, { session_id: root });
  connection.close();

  const { default: pg } = await import('pg');
  const database = new pg.Client(databaseUrl);
  await database.connect();
  await database.query(PLANT, [task_id, JSON.stringify(descendantsOf(task_id, descendants, readable))]);
  await database.query(SHARE_ITSELF, [task_id]);
  await database.query(`UPDATE tasks SET children_count = $2 WHERE task_id = $1`, [
    task_id,
    Math.min(descendants, CHILDREN),
  ]);
  // As autovacuum would have by then.
  await database.query('VACUUM ANALYZE tasks, shares');
  await database.end();
  return { root, readable };
}

async function makeSession(connection, server) {
  const session_id = `shared-${randomUUID()}`;
  await connection.request(sessionRequest(server, session_id));
  return session_id;
}

/** Rows of `tasks`, parents first; the last descendant, which is one of the deepest, is readable. */
function descendantsOf(root_task_id, count, readable) {
  const root = { task_id: root_task_id, ancestor_ids: [], spawn_path: [] };
  const every = Math.floor(count / readable.length);
  const tasks = [root];
  for (let n = 0; n < count; n += 1) {
    const parent = tasks[Math.floor(n / CHILDREN)];
    const spawn_order = (n % CHILDREN) + 1;
    const fromEnd = count - 1 - n;
    tasks.push({
      task_id: randomUUID(),
      parent_task_id: parent.task_id,
      ancestor_ids: [...parent.ancestor_ids, parent.task_id],
      spawn_order,
      spawn_path: [...parent.spawn_path, spawn_order],
      children_count: Math.max(0, Math.min(CHILDREN, count - CHILDREN * (n + 1))),
      session_id: (fromEnd % every === 0 && readable[fromEnd / every]) || `task-${randomUUID()}`,
    });
  }
  return tasks.slice(1);
}

/** $1: the root, $2: the descendants. */
const PLANT = `
  INSERT INTO tasks (project_id, task_id, parent_task_id, root_task_id, ancestor_ids, depth, spawn_order, spawn_path,
                     children_count, name, location, state, session_id, agent_name, agent_revision, harness, source,
                     started_at)
  SELECT root.project_id, d.task_id, d.parent_task_id, root.task_id, d.ancestor_ids, cardinality(d.ancestor_ids),
         d.spawn_order, d.spawn_path, d.children_count, 'agent', 'remote', 'in_progress', d.session_id, 'scripted', 1,
         'scripted', 'orchestration', now()
    FROM tasks root, jsonb_to_recordset($2::jsonb) AS d (
           task_id uuid, parent_task_id uuid, ancestor_ids uuid[], spawn_order int, spawn_path int[],
           children_count int, session_id text)
   WHERE root.task_id = $1`;

/** $1: the root. */
const SHARE_ITSELF = `
  INSERT INTO shares (project_id, share_id, task_id, scope, role, source_type, ambient_task_id, source_task_id, origin)
  SELECT project_id, gen_random_uuid(), task_id, 'session', 'reader', 'ambient_agent', task_id, task_id, 'automatic'
    FROM tasks WHERE root_task_id = $1 AND task_id <> $1`;

/**
 * Until `seconds` are over: the tree is shared; one descendant is read through the share, which is looked up first, and
 * another one, by when it is known; the share is revoked, after which nothing may be read. The same read by the project's
 * key is the measure of what reach costs. Between two shares, all that are readable are watched by a third one until each
 * was heard of.
 */
export async function shareTree({ server, tree: { root, readable }, seconds }, { mark }) {
  const names = ['create', 'revoke', 'firstRead', 'read', 'keyRead', 'watch'];
  const took = Object.fromEntries(names.map((name) => [name, new Durations()]));
  const connection = await Connection.open(server.port);
  const timed = async (name, work) => {
    const startedAt = performance.now();
    const result = await work();
    took[name].add(performance.now() - startedAt);
    return result;
  };
  const viewerBy = (token) => ({ port: server.port, authorization: `Bearer ${token}` });
  const read = (as, n) => connection.request(readRequest(as, logOf(readable[n % readable.length]), '-1'));

  const once = async (n) => {
    const fields = { session_id: root, scope: 'tree', role: 'reader' };
    const { share, token } = await timed('create', () => call(connection, server, SHARES, fields));
    const viewer = viewerBy(token);
    await timed('firstRead', () => read(viewer, n));
    await timed('read', () => read(viewer, n + 1));
    await timed('keyRead', () => read(server, n + 2));
    await timed('revoke', () => call(connection, server, `${SHARES}/revoke`, { share_id: share.share_id }));
    await requireEnded(read(viewer, n));
    await watchAll();
  };
  const watchAll = async () => {
    const watch = new WatchViewer(standing, { session_ids: readable, task_ids: [] });
    await timed('watch', () => watch.start());
    watch.close();
    if (watch.failure) throw new Error(watch.failure);
    // The server is to be done with the view when it is measured again.
    await sleep(SETTLE_MS);
  };

  const { token } = await call(connection, server, SHARES, { session_id: root, scope: 'tree', role: 'reader' });
  const standing = viewerBy(token);
  await once(0);
  await mark('start');
  const startedAt = performance.now();
  let n = 1;
  for (; performance.now() - startedAt < seconds * 1000; n += 1) await once(n);
  await mark('end');
  connection.close();
  return {
    operations: n - 1,
    create_p50_ms: took.create.percentile(0.5),
    create_p99_ms: took.create.percentile(0.99),
    revoke_p50_ms: took.revoke.percentile(0.5),
    revoke_p99_ms: took.revoke.percentile(0.99),
    first_read_ms: took.firstRead.percentile(0.5),
    read_ms: took.read.percentile(0.5),
    key_read_ms: took.keyRead.percentile(0.5),
    watch_ms: took.watch.percentile(0.5),
  };
}

const logOf = (session_id) => `/v1/stream/sessions/${session_id}/events`;

async function requireEnded(reading) {
  const answer = await reading.then(
    () => 'the log',
    ({ message }) => message,
  );
  if (!answer.includes('share_ended')) throw new Error(`after the share was revoked, a read was answered: ${answer}`);
}

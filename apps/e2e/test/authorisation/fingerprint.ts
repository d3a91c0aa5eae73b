import type { DataSource } from 'typeorm';
import type { House, World } from './tree.js';

/** Of these, what belongs to the sessions of the tree. */
const OF_SESSIONS = [
  'sessions',
  'session_turns',
  'session_interactions',
  'session_visits',
  'share_participants',
  'share_role_requests',
  'tasks',
  'private_sessions',
  'native_conversations',
  'native_saves',
];

/** Of these, all that the project has. */
const OF_PROJECT = ['agents', 'agent_revisions', 'projects', 'shares', 'log_subscriptions', 'task_messages'];

/** Somebody was heard of, which is nothing that they did. */
const HEARD_OF = ['last_seen_at'];

/** How a tree, its logs and the project are, row by row: the same as long as nobody changes anything. */
export async function fingerprint(
  database: DataSource,
  { project_id }: House,
  { targets }: World,
): Promise<Record<string, string>> {
  const state = `concat(count(*), ' ', coalesce(sum(hashtextextended((to_jsonb(t) - $3::text[])::text, 0)), 0))`;
  const isOfProject = (table: string) => `${table === 'projects' ? 'id' : 'project_id'} = $1`;
  const parts = [
    ...OF_PROJECT.map(
      (table) => `SELECT '${table}' AS what, ${state} AS state FROM ${table} t WHERE ${isOfProject(table)}`,
    ),
    ...OF_SESSIONS.map(
      (table) => `SELECT '${table}', ${state} FROM ${table} t WHERE project_id = $1 AND session_id = ANY ($2)`,
    ),
    // Those of the tree's sessions and the streams of the project's own, by their tails.
    `SELECT path, concat_ws('_', generation, tail, deleted_at) FROM log_streams
      WHERE project_id = $1 AND (path NOT LIKE '%/%' OR split_part(path, '/', 2) = ANY ($2))`,
    `SELECT 'all sessions', count(*)::text FROM sessions WHERE project_id = $1`,
    `SELECT 'all tasks', count(*)::text FROM tasks WHERE project_id = $1`,
  ];
  const session_ids = Object.values(targets).map(({ session_id }) => session_id);
  const rows: { what: string; state: string }[] = await database.query(parts.join(' UNION ALL '), [
    project_id,
    session_ids,
    HEARD_OF,
  ]);
  return Object.fromEntries(rows.map(({ what, state }) => [what, state]));
}

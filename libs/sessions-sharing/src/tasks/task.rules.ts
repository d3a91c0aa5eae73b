/** `remote`: started by a runner of a pool. `local`: started on a user's own machine, outside every pool. */
export const TASK_LOCATIONS = ['local', 'remote'] as const;

export type TaskLocation = (typeof TASK_LOCATIONS)[number];

/** Who made a task: see `SessionTask.source`. */
export const TASK_SOURCES = ['user', 'orchestration', 'cli', 'api'] as const;

export type TaskSource = (typeof TASK_SOURCES)[number];

/** How deep a tree may be: the depth of its deepest task. */
export const MAX_DEPTH = 16;

/** Most children of one task that have not ended. */
export const MAX_LIVE_CHILDREN = 200;

/** Most tasks of one tree. */
export const MAX_TASKS_PER_TREE = 10_000;

export const MAX_NAME_LENGTH = 200;
export const MAX_PROMPT_LENGTH = 262_144;

/** What a task is shown as: its name, else its title, else "Agent". */
export function displayName({ name, title }: { name: string | null; title: string | null }): string {
  return name?.trim() || title?.trim() || 'Agent';
}

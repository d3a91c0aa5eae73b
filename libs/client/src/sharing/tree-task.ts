import type { SessionTask } from '../generated/models/SessionTask.js';

/** A task as a viewer knows it. What is below it is summed up by TaskTree, which knows the newest. */
export type TreeTask = Omit<SessionTask, 'subtree'>;

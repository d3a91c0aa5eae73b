import type { HoldfastClient } from '../holdfast-client.js';
import { openAccess, type ViewerAccess } from './open-view.js';
import { listTasks } from './task-list.js';
import { TaskTree } from './task-tree.js';
import type { TreeTask } from './tree-task.js';

/** By a link or its token: a key has to name a session. */
export type TreeAccess = ViewerAccess & { session_id?: string; fetch?: typeof globalThis.fetch };

/**
 * The agents of a session as they are now: its own and all below it, as far as they are open. Nothing is followed, and a
 * key is seen by nobody; whoever comes by a link joins for a moment.
 */
export async function readTree({ session_id, ...access }: TreeAccess): Promise<TaskTree> {
  const { client, adopt } = openAccess(access);
  if (session_id !== undefined) return treeBelow(client, await taskOfSession(client, session_id));
  const joined = await client.participants.joinSession({ SessionJoinCreate: {} });
  if (joined.participant_token) adopt(joined.participant_token);
  try {
    const isOpen = joined.share?.scope === 'tree';
    return isOpen ? await treeBelow(client, joined.task ?? undefined) : new TaskTree();
  } finally {
    const SessionParticipantLeave = { participant_id: joined.participant_id };
    await client.participants.leaveSession({ SessionParticipantLeave });
  }
}

async function taskOfSession(client: HoldfastClient, session_id: string): Promise<TreeTask | undefined> {
  const { data } = await client.tasks.querySessionTasks({ SessionTaskQuery: { session_id } });
  // Without a task it need not be there: then this says so.
  if (data.length === 0) await client.sessions.fetchSession({ session_id });
  return data[0];
}

async function treeBelow(client: HoldfastClient, top: TreeTask | undefined): Promise<TaskTree> {
  const tree = new TaskTree(top?.task_id ?? null);
  if (!top) return tree;
  tree.learn(top);
  const { tasks } = await listTasks(client, top.task_id);
  for (const task of tasks) tree.learn(task);
  return tree;
}

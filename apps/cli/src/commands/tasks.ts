import { readTree, TaskTreeViewer, type TaskTree, type TreeTask } from '@holdfast/client';
import type { GlobalOptions } from '../desk.js';
import { treeLines } from '../render/task-tree.js';
import { taskLine } from '../render/tree-change.js';
import { onInterrupt } from '../terminal/interrupts.js';
import type { Screen } from '../terminal/session-screen.js';
import { DETACHED } from './detach.js';
import { leaveView } from './leave-view.js';
import { accessTo, failureOf } from './view-access.js';

export interface TasksOptions {
  json?: boolean;
  follow?: boolean;
}

/** Prints the agents of a session as a tree; with `follow` then every change, until the view ends. Gives the exit code. */
export async function tasks(
  screen: Screen,
  global: GlobalOptions,
  target: string,
  { json, follow }: TasksOptions,
): Promise<number> {
  const access = accessTo(target, global);
  const print = (task: TreeTask) =>
    screen.terminal.write(`${json ? JSON.stringify(task) : taskLine(task, screen.style)}\n`);
  const printAll = (tree: TaskTree) => {
    if (json) for (const { task } of tree.walk()) print(task);
    else if (tree.roots().length === 0) screen.terminal.write('No agent of a tree runs in this session.\n');
    else for (const text of treeLines(tree, screen.style)) screen.terminal.write(`${text}\n`);
  };
  if (!follow) {
    printAll(
      await readTree(access).catch((error) => {
        throw failureOf(error, access);
      }),
    );
    return 0;
  }
  const interrupt = onInterrupt();
  try {
    let isShown = false;
    const showAll = () => {
      if (isShown || viewer.state.status !== 'live') return;
      isShown = true;
      printAll(viewer.tree);
    };
    const viewer = new TaskTreeViewer({ ...access, agents: [], onChange: showAll });
    for await (const news of viewer.follow({ signal: interrupt.signal })) {
      const isChange = news.kind === 'task_appeared' || news.kind === 'task_changed';
      if (isShown && isChange) print(news.task);
    }
    if (!interrupt.signal.aborted) return 0;
    await leaveView(viewer);
    return DETACHED;
  } catch (error) {
    throw failureOf(error, access);
  } finally {
    interrupt.stop();
  }
}

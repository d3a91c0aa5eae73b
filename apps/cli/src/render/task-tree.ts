import type { TaskTree, TreeTask } from '@holdfast/client';
import { oneLine } from './printable.js';
import type { Style } from './style.js';

const MARKS: Record<string, string> = { succeeded: '✓', failed: '✗', error: '✗', cancelled: '✗', blocked: '?' };

/** `✓ succeeded`, in its colour. */
export function stateText({ state, waiting }: Pick<TreeTask, 'state' | 'waiting'>, style: Style, width = 0): string {
  const isWaiting = waiting && state === 'in_progress';
  const text = `${MARKS[state] ?? (isWaiting ? '…' : '▸')} ${isWaiting ? 'waiting' : state}`.padEnd(width);
  if (state === 'succeeded') return style.good(text);
  if (state === 'blocked') return style.attention(text);
  return state in MARKS ? style.bad(text) : text;
}

const STATE_WIDTH = '▸ in_progress'.length;

/** Each agent on a line, below the one that started it; with how many are in which state at the end. */
export function treeLines(tree: TaskTree, style: Style): string[] {
  const rows = [...tree.walk()].map(({ task, depth }) => {
    const name = `${'  '.repeat(depth)}${oneLine(task.name, 60)}`;
    return { task, name, rolledUp: task.children_count > 0 ? ` (${tree.status(task)})` : '' };
  });
  const width = Math.max('AGENT'.length, ...rows.map(({ name, rolledUp }) => name.length + rolledUp.length));
  return [
    style.dim(`${'STATE'.padEnd(STATE_WIDTH)}  ${'AGENT'.padEnd(width)}  SESSION`),
    ...rows.map(({ task, name, rolledUp }) => {
      const padded = name + style.dim(rolledUp) + ' '.repeat(width - name.length - rolledUp.length);
      const why = task.error ? style.bad(`  ${oneLine(task.error.message)} (${oneLine(task.error.code)})`) : '';
      return `${stateText(task, style, STATE_WIDTH)}  ${padded}  ${task.session_id ?? style.dim('none yet')}${why}`;
    }),
    style.dim(summary(rows.map(({ task }) => task))),
  ];
}

/** `5 agents: 2 in_progress, 3 succeeded` */
function summary(tasks: TreeTask[]): string {
  const counts = new Map<string, number>();
  for (const { state } of tasks) counts.set(state, (counts.get(state) ?? 0) + 1);
  const parts = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  return `${tasks.length} ${tasks.length === 1 ? 'agent' : 'agents'}: ${parts}`;
}

import { TaskTree, type TreeTask } from '@holdfast/client';
import { plain } from './style.js';
import { stateText, treeLines } from './task-tree.js';
import { messageLine, taskLine } from './tree-change.js';

const task = (task_id: string, parent_task_id: string | null, more: Partial<TreeTask> = {}) =>
  ({
    task_id,
    parent_task_id,
    root_task_id: 'top',
    depth: 0,
    spawn_order: 1,
    spawn_path: [],
    name: task_id,
    state: 'in_progress',
    waiting: false,
    error: null,
    session_id: `s-${task_id}`,
    children_count: 0,
    updated_at: new Date(0),
    ...more,
  }) as TreeTask;
const error = { kind: 'user' as const, code: 'agent_not_found', message: 'There is no such agent.' };

describe('a tree of agents', () => {
  it('shows each below the one that started it, how they do, and all of them in one word', () => {
    const tree = new TaskTree('top');
    tree.learn(task('top', null, { name: 'Conductor', children_count: 2 }));
    tree.learn(task('scout', 'top', { name: 'Scout', state: 'succeeded', children_count: 1 }));
    tree.learn(task('twin', 'top', { name: 'Twin', spawn_order: 2, state: 'failed', session_id: null, error }));
    tree.learn(task('helper', 'scout', { name: 'Helper', waiting: true }));
    expect(treeLines(tree, plain).join('\n')).toBe(`STATE          AGENT                    SESSION
▸ in_progress  Conductor (in_progress)  s-top
✓ succeeded      Scout (waiting)        s-scout
… waiting          Helper               s-helper
✗ failed         Twin                   none yet  There is no such agent. (agent_not_found)
4 agents: 2 in_progress, 1 succeeded, 1 failed`);
  });

  it.each([
    ['queued', '▸ queued'],
    ['blocked', '? blocked'],
    ['error', '✗ error'],
    ['cancelled', '✗ cancelled'],
  ] as const)('%s is %s', (state, text) => expect(stateText({ state, waiting: false }, plain)).toBe(text));

  it('makes what agents call themselves harmless', () => {
    const tree = new TaskTree('top');
    tree.learn(task('top', null, { name: 'a\u001b[2Jb\nc' }));
    expect(treeLines(tree, plain)[1]).toContain('a[2Jb c');
    expect(taskLine(task('x', null, { name: '\u202eevil' }), plain)).toBe('evil  ▸ in_progress');
  });
});

describe('what happens in a tree', () => {
  it('is told by name, with the reason of a failure', () => {
    expect(taskLine(task('scout', 'top', { name: 'Scout', state: 'failed', error }), plain)).toBe(
      'Scout  ✗ failed: There is no such agent. (agent_not_found)',
    );
  });

  it('Q63 Q64 messages name who sends and who receives them', () => {
    const nameOf = (id: string) => ({ top: 'Orchestrator', scout: 'Scout' })[id] ?? 'Unknown agent';
    const message = (data: Record<string, unknown>) =>
      messageLine({ type: 'task.message', at: '', turn_id: null, data }, nameOf, plain);
    expect(message({ from_task_id: 'scout', to_task_ids: ['top', 'x'], subject: 'Done', body: 'All of it.' })).toBe(
      'Scout → Orchestrator, Unknown agent: Done: All of it.',
    );
    expect(message({ from_task_id: null, from_name: 'A person', to_task_ids: ['scout'], body: 'Go\non' })).toBe(
      'A person → Scout: Go on',
    );
    expect(messageLine({ type: 'task.updated', at: '', turn_id: null, data: {} }, nameOf, plain)).toBeUndefined();
  });
});

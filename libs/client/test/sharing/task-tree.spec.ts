import { isWorking, knownState, subtreeStatus, TASK_STATES } from '../../src/sharing/task-state.rules.js';
import { TaskTree, type TreeChange } from '../../src/sharing/task-tree.js';
import type { TreeTask } from '../../src/sharing/tree-task.js';

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
const task = (task_id: string, parent_task_id: string | null, more: Partial<TreeTask> = {}) =>
  ({
    task_id,
    parent_task_id,
    root_task_id: 'host',
    depth: 0,
    spawn_path: [],
    spawn_order: 1,
    name: `agent ${task_id}`,
    title: null,
    state: 'in_progress',
    waiting: false,
    session_id: null,
    children_count: 0,
    updated_at: at(1),
    ...more,
  }) as TreeTask;
const told = (changes: TreeChange[]) =>
  changes.map((change) =>
    change.kind === 'materialise'
      ? `materialise ${change.task.task_id} ${change.session_id}`
      : `${change.kind} ${change.task.task_id} ${change.task.state}`,
  );

describe('what is known of a tree', () => {
  it('Q50 a task appears once; later lists change only what is new', () => {
    const tree = new TaskTree('host');
    expect(told(tree.learn(task('a', 'host')))).toEqual(['task_appeared a in_progress']);
    expect(tree.learn(task('a', 'host'))).toEqual([]);
    expect(told(tree.learn(task('a', 'host', { state: 'succeeded', updated_at: at(2) })))).toEqual([
      'task_changed a succeeded',
    ]);
    expect(tree.children('host').map(({ name }) => name)).toEqual(['agent a']);
  });

  it('Q51 it is pending without a session, and materialises exactly once when it has one', () => {
    const tree = new TaskTree('host');
    tree.learn(task('a', 'host'));
    const linked = task('a', 'host', { session_id: 's', updated_at: at(2) });
    expect(told(tree.learn(linked))).toEqual(['task_changed a in_progress', 'materialise a s']);
    expect(tree.learn(linked)).toEqual([]);
    expect(told(tree.learn({ ...linked, state: 'succeeded', updated_at: at(3) }))).toEqual([
      'task_changed a succeeded',
    ]);
    const moved = tree.learn({ ...linked, session_id: 't', updated_at: at(4) });
    expect(moved).toContainEqual(
      expect.objectContaining({ kind: 'materialise', session_id: 't', previous_session_id: 's' }),
    );
    expect(tree.ofSession('s')?.task_id).toBe('a');
    expect(tree.ofSession('t')?.task_id).toBe('a');
  });

  it('Q52 what a list leaves out stays', () => {
    const tree = new TaskTree('host');
    tree.learn(task('a', 'host'));
    tree.learn(task('b', 'host', { spawn_order: 2 }));
    tree.learn(task('b', 'host', { spawn_order: 2, updated_at: at(5) }));
    expect(tree.children('host').map(({ task_id }) => task_id)).toEqual(['a', 'b']);
  });

  it('an older word does not undo a newer one, in whichever order log and list come', () => {
    const tree = new TaskTree('host');
    tree.learn(task('a', 'host', { state: 'succeeded', session_id: 's', updated_at: at(9) }));
    expect(tree.learn(task('a', 'host', { state: 'queued', updated_at: at(2) }))).toEqual([]);
    expect(tree.task('a')).toMatchObject({ state: 'succeeded', session_id: 's' });
  });

  it('a link before its task waits for it, and so does a change before the creation', () => {
    const tree = new TaskTree('host');
    expect(tree.note({ task_id: 'a', at: at(3).toISOString(), session_id: 's' })).toEqual([]);
    expect(tree.note({ task_id: 'a', at: at(4).toISOString(), state: 'blocked' })).toEqual([]);
    expect(told(tree.learn(task('a', 'host')))).toEqual([
      'task_appeared a in_progress',
      'task_changed a in_progress',
      'materialise a s',
      'task_changed a blocked',
    ]);
    expect(tree.learn(task('a', 'host', { updated_at: at(2) }))).toEqual([]);
  });

  it('what waits is bounded: the oldest is given up', () => {
    const tree = new TaskTree('host');
    for (let n = 0; n <= 10_000; n++) tree.note({ task_id: `t${n}`, at: at(2).toISOString(), session_id: `s${n}` });
    expect(told(tree.learn(task('t0', 'host')))).toEqual(['task_appeared t0 in_progress']);
    expect(told(tree.learn(task('t1', 'host')))).toContain('materialise t1 s1');
  });

  it('a task whose parent is not told of yet waits for that', () => {
    const tree = new TaskTree('host');
    tree.learn(task('host', null));
    expect(tree.learn(task('grandchild', 'child'))).toEqual([]);
    expect(tree.learn(task('grandchild', 'child', { state: 'blocked', updated_at: at(2) }))).toEqual([]);
    expect(told(tree.learn(task('child', 'host')))).toEqual([
      'task_appeared child in_progress',
      'task_appeared grandchild blocked',
    ]);
    expect([...tree.walk()].map(({ task: one, depth }) => `${one.task_id} ${depth}`)).toEqual([
      'host 0',
      'child 1',
      'grandchild 2',
    ]);
  });

  it('Q19 what a log tells of the parent and of siblings of the top is not of this tree', () => {
    const tree = new TaskTree('host');
    tree.learn(task('host', 'outside'));
    expect(tree.learn(task('outside', null))).toEqual([]);
    expect(tree.learn(task('sibling', 'outside', { session_id: 's' }))).toEqual([]);
    expect([...tree.walk()].map(({ task: one }) => one.task_id)).toEqual(['host']);
  });

  it("Q65 children that came before the orchestrator's id find their parent when it arrives", () => {
    const tree = new TaskTree();
    tree.learn(task('a', 'host'));
    tree.learn(task('b', 'host', { spawn_order: 2 }));
    expect(tree.parent(tree.task('a')!)).toBeUndefined();
    tree.rootAt('host');
    tree.learn(task('host', 'outside'));
    expect(tree.children('host').map((child) => tree.parent(child)?.task_id)).toEqual(['host', 'host']);
    expect(tree.descendants().map(({ task_id }) => task_id)).toEqual(['a', 'b']);
    expect(tree.task('host')!.parent_task_id).toBeNull();
  });

  it('a task is where it stands below the top, though a log tells of it as below the root of all', () => {
    const tree = new TaskTree('host');
    tree.learn(task('host', null));
    const above = { root_task_id: 'outside', spawn_path: [4, 2, 3] };
    tree.learn(task('host', 'outside', { ...above, depth: 2, state: 'blocked', updated_at: at(2) }));
    tree.learn(task('child', 'host', { ...above, depth: 3, spawn_order: 3 }));
    tree.learn(task('grandchild', 'child', { ...above, depth: 4, spawn_order: 5 }));
    expect(['host', 'child', 'grandchild'].map((id) => tree.task(id))).toMatchObject([
      { state: 'blocked', root_task_id: 'host', parent_task_id: null, depth: 0, spawn_path: [] },
      { root_task_id: 'host', depth: 1, spawn_path: [3] },
      { root_task_id: 'host', depth: 2, spawn_path: [3, 5] },
    ]);
  });

  it('a task is where it stands for a key, though the log of its part tells of it as of a root', () => {
    const tree = new TaskTree('host');
    tree.learn(task('host', 'above', { root_task_id: 'root', depth: 2, spawn_path: [4, 2] }));
    tree.learn(task('host', null, { root_task_id: 'host', depth: 0, state: 'blocked', updated_at: at(2) }));
    tree.learn(task('child', 'host', { root_task_id: 'host', depth: 1, spawn_order: 3, spawn_path: [3] }));
    expect(['host', 'child'].map((id) => tree.task(id))).toMatchObject([
      { state: 'blocked', root_task_id: 'root', parent_task_id: null, depth: 2, spawn_path: [4, 2] },
      { root_task_id: 'root', parent_task_id: 'host', depth: 3, spawn_path: [4, 2, 3] },
    ]);
  });

  it('what leads above the top leads nowhere', () => {
    const tree = new TaskTree('host');
    tree.learn(task('host', 'outside'));
    expect(tree.parent(tree.task('host')!)).toBeUndefined();
    expect(tree.roots().map(({ task_id }) => task_id)).toEqual(['host']);
  });

  it('agents are in the order in which they were started', () => {
    const tree = new TaskTree('host');
    for (const spawn_order of [3, 1, 2]) tree.learn(task(`t${spawn_order}`, 'host', { spawn_order }));
    expect(tree.children('host').map(({ task_id }) => task_id)).toEqual(['t1', 't2', 't3']);
  });

  it('Q55 one that failed before it had a session is there, failed, and never materialises', () => {
    const tree = new TaskTree('host');
    expect(told(tree.learn(task('a', 'host', { state: 'failed' })))).toEqual(['task_appeared a failed']);
  });
});

describe('the states of a task', () => {
  it.each([
    ['queued', true, false, 'in_progress'],
    ['pending', true, false, 'in_progress'],
    ['claimed', true, false, 'in_progress'],
    ['in_progress', true, false, 'in_progress'],
    ['blocked', false, false, 'blocked'],
    ['succeeded', false, true, 'success'],
    ['failed', false, true, 'error'],
    ['error', false, true, 'error'],
    ['cancelled', false, true, 'cancelled'],
  ] as const)('%s: works %s, has ended %s, counts as %s', (state, is_working, has_ended, counts_as) => {
    expect(TASK_STATES[state]).toEqual({ is_working, has_ended, counts_as });
  });

  it('one that is not known is an error, never a success', () => {
    expect(knownState('daydreaming')).toBe('error');
    expect(knownState('toString')).toBe('error');
    const tree = new TaskTree('host');
    tree.learn(task('a', 'host', { state: 'daydreaming' as never }));
    expect(tree.task('a')!.state).toBe('error');
    expect(isWorking(tree.task('a')!)).toBe(false);
  });
});

describe('a subtree in one word', () => {
  const is = (state: string, waiting = false) => ({ state, waiting });
  it.each([
    ['all that works', is('succeeded'), [is('blocked'), is('queued'), is('failed')], 'in_progress'],
    ['then what is blocked', is('succeeded'), [is('blocked'), is('in_progress', true)], 'blocked'],
    ['then what waits', is('succeeded'), [is('in_progress', true), is('error')], 'waiting'],
    ['then what failed', is('succeeded'), [is('failed'), is('cancelled')], 'error'],
    ['then what was cancelled', is('succeeded'), [is('cancelled'), is('succeeded')], 'cancelled'],
    ['success', is('succeeded'), [is('succeeded')], 'success'],
    ['its own waiting before work below', is('in_progress', true), [is('in_progress')], 'waiting'],
    ['what is blocked below before its own waiting', is('in_progress', true), [is('blocked')], 'blocked'],
    ['its own error before waiting below', is('error'), [is('in_progress', true)], 'error'],
    ['its own end before waiting below', is('cancelled'), [is('in_progress', true)], 'cancelled'],
    ['work below before its own error', is('error'), [is('in_progress')], 'in_progress'],
    ['what nobody knows is an error', is('succeeded'), [is('daydreaming')], 'error'],
  ] as const)('%s', (_, own, below, word) => expect(subtreeStatus(own, below)).toBe(word));

  it('sums up all depths', () => {
    const tree = new TaskTree('host');
    tree.learn(task('host', null, { state: 'succeeded' }));
    tree.learn(task('child', 'host', { state: 'succeeded' }));
    tree.learn(task('grandchild', 'child', { state: 'blocked' }));
    expect(tree.status(tree.task('host')!)).toBe('blocked');
  });
});

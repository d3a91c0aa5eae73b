import {
  afterTurnFact,
  isEnded,
  rollUp,
  statusOf,
  SUBTREE_STATUSES,
  TASK_STATES,
  TURN_FACTS,
  type FollowedTurn,
  type SubtreeStatus,
  type TaskState,
  type TurnFact,
  type TurnFactKind,
} from '../src/tasks/task-state.rules.js';

const fact = (kind: TurnFactKind, turn_index: number, code?: string): TurnFact => ({
  kind,
  turn_id: '01890000-0000-7000-8000-000000000000',
  turn_index,
  error: code === undefined ? null : { code, message: 'why' },
  agent: { name: 'scripted', revision: 1 },
  harness: 'scripted',
});

const OPEN: FollowedTurn = { state: 'in_progress', turn_index: 3, turn_ended: false };

describe('what a turn makes of its task', () => {
  it.each<[TurnFactKind, string | undefined, TaskState]>([
    ['queued', undefined, 'queued'],
    ['claimed', undefined, 'claimed'],
    ['running', undefined, 'in_progress'],
    ['asked', undefined, 'blocked'],
    ['answered', undefined, 'in_progress'],
    ['completed', undefined, 'succeeded'],
    ['failed', 'agent_exited', 'failed'],
    ['failed', 'harness_not_found', 'failed'],
    ['failed', 'agent_revision_not_found', 'failed'],
    ['failed', undefined, 'failed'],
    ['failed', 'owner_lost', 'error'],
    ['failed', 'runner_lost_contact', 'error'],
    ['failed', 'log_write_refused', 'error'],
    ['cancelled', 'stopped_by_force', 'cancelled'],
    ['superseded', undefined, 'in_progress'],
    ['paused', undefined, 'blocked'],
    ['lost', 'owner_lost', 'error'],
    ['lost', undefined, 'error'],
  ])('%s (%s) makes it %s', (kind, code, state) => {
    expect(afterTurnFact(OPEN, fact(kind, 3, code))).toMatchObject({ state });
  });

  it('says who can mend it, and nothing where nothing failed', () => {
    const errorAfter = (kind: TurnFactKind, code?: string) => afterTurnFact(OPEN, fact(kind, 3, code))!.error;
    expect(errorAfter('failed', 'agent_exited')).toEqual({ kind: 'user', code: 'agent_exited', message: 'why' });
    expect(errorAfter('failed', 'end_refused')).toEqual({ kind: 'platform', code: 'end_refused', message: 'why' });
    expect(errorAfter('lost', 'owner_lost')).toMatchObject({ kind: 'platform', code: 'owner_lost' });
    expect(errorAfter('failed')).toMatchObject({ kind: 'user', code: 'unknown' });
    expect(errorAfter('cancelled', 'stopped_by_force')).toBeNull();
    expect(errorAfter('completed')).toBeNull();
  });

  it.each(TURN_FACTS)('%s of an older turn changes nothing, whatever the task is', (kind) => {
    for (const state of TASK_STATES) {
      for (const turn_ended of [false, true]) {
        expect(afterTurnFact({ state, turn_index: 3, turn_ended }, fact(kind, 2))).toBeUndefined();
      }
    }
  });

  it.each(TURN_FACTS)('%s told late of a turn that has ended changes nothing', (kind) => {
    for (const state of TASK_STATES) {
      expect(afterTurnFact({ state, turn_index: 3, turn_ended: true }, fact(kind, 3))).toBeUndefined();
    }
  });

  it('a later prompt makes a task that has ended work again', () => {
    for (const state of TASK_STATES.filter(isEnded)) {
      expect(afterTurnFact({ state, turn_index: 3, turn_ended: true }, fact('queued', 4))).toEqual({
        state: 'queued',
        error: null,
        turn_ended: false,
      });
    }
  });

  it('a task that no turn spoke for follows the first one', () => {
    expect(afterTurnFact({ state: 'pending', turn_index: null, turn_ended: false }, fact('queued', 0))).toMatchObject({
      state: 'queued',
    });
  });
});

describe('a task and everything below it, rolled up', () => {
  it.each<[TaskState, SubtreeStatus]>([
    ['queued', 'in_progress'],
    ['pending', 'in_progress'],
    ['claimed', 'in_progress'],
    ['in_progress', 'in_progress'],
    ['blocked', 'blocked'],
    ['succeeded', 'success'],
    ['failed', 'error'],
    ['error', 'error'],
    ['cancelled', 'cancelled'],
  ])('%s counts as %s', (state, status) => expect(statusOf(state, false)).toBe(status));

  it('a task that works and waits for messages counts as waiting, one that is blocked or has ended as that', () => {
    expect(statusOf('in_progress', true)).toBe('waiting');
    expect(statusOf('blocked', true)).toBe('blocked');
    expect(statusOf('succeeded', true)).toBe('success');
  });

  it('the first of in_progress, blocked, waiting, error, cancelled, success that occurs counts', () => {
    expect(SUBTREE_STATUSES).toEqual(['in_progress', 'blocked', 'waiting', 'error', 'cancelled', 'success']);
    for (const [rank, status] of SUBTREE_STATUSES.entries()) {
      expect(rollUp('success', new Set(SUBTREE_STATUSES.slice(rank)))).toBe(status);
    }
  });

  it("a task's own waiting outranks descendants that work, but not one that is blocked", () => {
    expect(rollUp('waiting', new Set(['in_progress', 'error']))).toBe('waiting');
    expect(rollUp('waiting', new Set(['in_progress', 'blocked']))).toBe('blocked');
  });

  it.each(['error', 'cancelled'] as const)('own %s outranks descendants that wait, but not one that works', (own) => {
    expect(rollUp(own, new Set(['waiting', 'success']))).toBe(own);
    expect(rollUp(own, new Set(['waiting', 'in_progress']))).toBe('in_progress');
  });
});

/**
 * Where a task is. The first four work and can be cancelled; `blocked`: a question of its session waits for an answer;
 * the rest are how it ended. `failed`: whoever asked for it can mend it; `error`: it is the platform's fault.
 */
export const TASK_STATES = [
  'queued',
  'pending',
  'claimed',
  'in_progress',
  'blocked',
  'succeeded',
  'failed',
  'error',
  'cancelled',
] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** States in which something works on the task, or will. */
export const WORKING_STATES = ['queued', 'pending', 'claimed', 'in_progress'] as const satisfies readonly TaskState[];

/** States of a task that has something to stop. */
export const OPEN_STATES = [...WORKING_STATES, 'blocked'] as const satisfies readonly TaskState[];

export const isWorking = (state: TaskState): boolean => (WORKING_STATES as readonly TaskState[]).includes(state);
export const isEnded = (state: TaskState): boolean => !(OPEN_STATES as readonly TaskState[]).includes(state);
/** Somebody has taken its turn, which has not ended. */
export const isTaken = (state: TaskState): boolean => ['claimed', 'in_progress', 'blocked'].includes(state);

/** Who can mend what went wrong. */
export const TASK_ERROR_KINDS = ['user', 'platform'] as const;

export type TaskErrorKind = (typeof TASK_ERROR_KINDS)[number];

export interface TaskError {
  kind: TaskErrorKind;
  code: string;
  message: string;
}

/** What can be told of the turn that a task's session runs. */
export const TURN_FACTS = [
  'queued',
  'claimed',
  'running',
  'asked',
  'answered',
  'completed',
  'failed',
  'cancelled',
  'superseded',
  'paused',
  'lost',
] as const;

export type TurnFactKind = (typeof TURN_FACTS)[number];

/** One fact of one turn. */
export interface TurnFact {
  kind: TurnFactKind;
  turn_id: string;
  /** The turn's place among the turns of its session. */
  turn_index: number;
  error: { code: string; message: string } | null;
  agent: { name: string; revision: number };
  harness: string;
}

/** Where each fact leads; `by_code`: to `failed` or `error`, as the error's code says. */
const AFTER: Record<TurnFactKind, TaskState | 'same' | 'by_code'> = {
  queued: 'queued',
  claimed: 'claimed',
  running: 'in_progress',
  asked: 'blocked',
  answered: 'in_progress',
  completed: 'succeeded',
  failed: 'by_code',
  cancelled: 'cancelled',
  // The turn that takes its place tells.
  superseded: 'same',
  paused: 'blocked',
  lost: 'error',
};

/** Facts after which nothing of the same turn counts any more. */
const ENDS: readonly TurnFactKind[] = ['completed', 'failed', 'cancelled', 'superseded', 'paused', 'lost'];

/** The turn that a task's state is from, as far as it was told. */
export interface FollowedTurn {
  state: TaskState;
  turn_index: number | null;
  turn_ended: boolean;
}

export interface StateChange {
  state: TaskState;
  error: TaskError | null;
  turn_ended: boolean;
}

/**
 * What a fact makes of a task; undefined when it changes nothing: it is of a turn before the one that the task follows,
 * or of one that has ended. A later turn counts whatever the task is: a prompt makes an ended one work again.
 */
export function afterTurnFact(task: FollowedTurn, fact: TurnFact): StateChange | undefined {
  const followed = task.turn_index ?? -1;
  if (fact.turn_index < followed) return undefined;
  if (fact.turn_index === followed && task.turn_ended) return undefined;
  const outcome = AFTER[fact.kind];
  const turn_ended = ENDS.includes(fact.kind);
  if (outcome === 'same') return { state: task.state, error: null, turn_ended };
  const error = fact.kind === 'failed' || fact.kind === 'lost' ? failureOf(fact.kind, fact.error) : null;
  const state = outcome === 'by_code' ? (error?.kind === 'platform' ? 'error' : 'failed') : outcome;
  return { state, error, turn_ended };
}

/**
 * Codes of turns (docs/reference/turn-errors.md) that whoever sent the prompt cannot mend. Every other code is of the
 * agent, its configuration or its surroundings.
 */
const PLATFORM_CODES: ReadonlySet<string> = new Set([
  'owner_lost',
  'runner_lost_contact',
  'runner_stopped',
  'log_write_refused',
  'end_refused',
  'session_folder_in_use',
]);

/** Why a task failed whose turn failed or was lost. */
export function failureOf(kind: 'failed' | 'lost', error: TurnFact['error']): TaskError {
  const { code, message } = error ?? { code: 'unknown', message: 'The turn failed and did not say why.' };
  return { kind: kind === 'lost' || PLATFORM_CODES.has(code) ? 'platform' : 'user', code, message };
}

/** How a task and everything below it stands. */
export const SUBTREE_STATUSES = ['in_progress', 'blocked', 'waiting', 'error', 'cancelled', 'success'] as const;

export type SubtreeStatus = (typeof SUBTREE_STATUSES)[number];

/** What each state counts as when trees are summed up; one that works and waits for messages counts as waiting. */
const STATUS_OF: Record<TaskState, SubtreeStatus> = {
  queued: 'in_progress',
  pending: 'in_progress',
  claimed: 'in_progress',
  in_progress: 'in_progress',
  blocked: 'blocked',
  succeeded: 'success',
  failed: 'error',
  error: 'error',
  cancelled: 'cancelled',
};

export const statusOf = (state: TaskState, waiting: boolean): SubtreeStatus =>
  waiting && isWorking(state) ? 'waiting' : STATUS_OF[state];

/**
 * A task's own status and those of its descendants as one: the first of SUBTREE_STATUSES that occurs. A task that waits
 * itself outranks descendants that work, and one that failed or was cancelled outranks descendants that wait.
 */
export function rollUp(own: SubtreeStatus, below: ReadonlySet<SubtreeStatus>): SubtreeStatus {
  const counts = new Set(below);
  if (own === 'waiting') counts.delete('in_progress');
  if (own === 'error' || own === 'cancelled') counts.delete('waiting');
  counts.add(own);
  return SUBTREE_STATUSES.find((status) => counts.has(status))!;
}

export type KnownTaskState =
  'queued' | 'pending' | 'claimed' | 'in_progress' | 'blocked' | 'succeeded' | 'failed' | 'error' | 'cancelled';

/** Ordered by what a person should hear of first. */
export type SubtreeStatus = 'in_progress' | 'blocked' | 'waiting' | 'error' | 'cancelled' | 'success';

interface Row {
  /** Somebody runs it or is about to, and it can be cancelled. */
  is_working: boolean;
  /** Nothing happens any more unless somebody sends another prompt. */
  has_ended: boolean;
  counts_as: SubtreeStatus;
}

export const TASK_STATES: Record<KnownTaskState, Row> = {
  queued: { is_working: true, has_ended: false, counts_as: 'in_progress' },
  pending: { is_working: true, has_ended: false, counts_as: 'in_progress' },
  claimed: { is_working: true, has_ended: false, counts_as: 'in_progress' },
  in_progress: { is_working: true, has_ended: false, counts_as: 'in_progress' },
  blocked: { is_working: false, has_ended: false, counts_as: 'blocked' },
  succeeded: { is_working: false, has_ended: true, counts_as: 'success' },
  failed: { is_working: false, has_ended: true, counts_as: 'error' },
  error: { is_working: false, has_ended: true, counts_as: 'error' },
  cancelled: { is_working: false, has_ended: true, counts_as: 'cancelled' },
};

/** A state that this version does not know is the end of a task that went wrong: never taken for a success. */
export function knownState(state: string): KnownTaskState {
  return Object.hasOwn(TASK_STATES, state) ? (state as KnownTaskState) : 'error';
}

export const isWorking = ({ state }: { state: string }) => TASK_STATES[knownState(state)].is_working;
export const hasEnded = ({ state }: { state: string }) => TASK_STATES[knownState(state)].has_ended;

interface Judged {
  state: string;
  waiting: boolean;
}

const PRECEDENCE: SubtreeStatus[] = ['in_progress', 'blocked', 'waiting', 'error', 'cancelled', 'success'];

/**
 * One word for a task with all below it: the first in PRECEDENCE. A task that waits itself outranks descendants that work,
 * and one that failed or was cancelled outranks descendants that wait.
 */
export function subtreeStatus(own: Judged, descendants: Iterable<Judged>): SubtreeStatus {
  const mine = statusOf(own);
  const present = new Set<SubtreeStatus>();
  for (const descendant of descendants) present.add(statusOf(descendant));
  if (mine === 'waiting') present.delete('in_progress');
  if (mine === 'error' || mine === 'cancelled') present.delete('waiting');
  present.add(mine);
  return PRECEDENCE.find((status) => present.has(status))!;
}

function statusOf({ state, waiting }: Judged): SubtreeStatus {
  const { is_working, counts_as } = TASK_STATES[knownState(state)];
  return waiting && is_working ? 'waiting' : counts_as;
}

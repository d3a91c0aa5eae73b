/**
 * How a viewer learns of the agents below its task. `following`: the activity log tells, and nothing is asked for. The
 * other states are for when that log cannot be read: then the list is asked for at intervals, or when something happened.
 */
export type DiscoveryState =
  'unresolved' | 'fetching' | 'following' | 'polling_soon' | 'polling_late' | 'idle_due_to_no_children';

export type DiscoveryEvent =
  /** The task of the session is known. */
  | 'resolved'
  /** The newest list has come: without any children, with some at work, with all of them at rest. */
  | 'listed_none'
  | 'listed_working'
  | 'listed_resting'
  | 'list_failed'
  /** An exchange in the session of the task, or of a child that is known. */
  | 'log_moved'
  /** The interval is over. */
  | 'due'
  /** The activity log is read from now on, or cannot be any more. */
  | 'stream_held'
  | 'stream_lost'
  /** Somebody wants to see the newest now. */
  | 'refresh';

export interface DiscoveryStep {
  state: DiscoveryState;
  then?: { act: 'fetch' } | { act: 'wait'; ms: number };
}

const FETCH: DiscoveryStep = { state: 'fetching', then: { act: 'fetch' } };
const FOLLOW: DiscoveryStep = { state: 'following' };
const SOON: DiscoveryStep = { state: 'polling_soon', then: { act: 'wait', ms: 5_000 } };
const LATE: DiscoveryStep = { state: 'polling_late', then: { act: 'wait', ms: 30_000 } };
const IDLE: DiscoveryStep = { state: 'idle_due_to_no_children' };

type Row = Partial<Record<DiscoveryEvent, DiscoveryStep>>;

/** While the activity log is read. */
const HELD: Partial<Record<DiscoveryState, Row>> = {
  fetching: { listed_none: FOLLOW, listed_working: FOLLOW, listed_resting: FOLLOW },
};

/** What an event does that is not here: nothing. */
export const DISCOVERY: Record<DiscoveryState, Row> = {
  unresolved: { resolved: FETCH },
  fetching: { listed_none: IDLE, listed_working: SOON, listed_resting: LATE, list_failed: SOON, refresh: FETCH },
  following: { stream_lost: FETCH, refresh: FETCH },
  polling_soon: { due: FETCH, stream_held: FOLLOW, refresh: FETCH },
  polling_late: { due: FETCH, log_moved: FETCH, stream_held: FOLLOW, refresh: FETCH },
  idle_due_to_no_children: { log_moved: FETCH, stream_held: FOLLOW, refresh: FETCH },
};

export function discoveryStep(
  state: DiscoveryState,
  event: DiscoveryEvent,
  is_held: boolean,
): DiscoveryStep | undefined {
  return (is_held ? HELD[state]?.[event] : undefined) ?? DISCOVERY[state][event];
}

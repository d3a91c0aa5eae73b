/** The life of a turn. The first four are live: at most one turn of a session is in them. */
export const TURN_STATUSES = [
  'queued',
  'starting',
  'running',
  'stopping',
  'completed',
  'failed',
  'cancelled',
  'lost',
] as const;

export type TurnStatus = (typeof TURN_STATUSES)[number];

/** How a turn can end. */
export const TURN_OUTCOMES = ['completed', 'failed', 'cancelled', 'lost'] as const;

export type TurnOutcome = (typeof TURN_OUTCOMES)[number];

/** What can happen to a turn. */
export type TurnEvent = 'claim' | 'run' | 'stop' | 'end' | 'hand_back';

/** Where each event leads from each status; `refused` leaves the turn as it is. */
const TRANSITIONS: Record<TurnStatus, Record<TurnEvent, TurnStatus | 'ended' | 'refused'>> = {
  queued: { claim: 'starting', run: 'refused', stop: 'ended', end: 'ended', hand_back: 'refused' },
  starting: { claim: 'refused', run: 'running', stop: 'stopping', end: 'ended', hand_back: 'queued' },
  running: { claim: 'refused', run: 'running', stop: 'stopping', end: 'ended', hand_back: 'refused' },
  stopping: { claim: 'refused', run: 'stopping', stop: 'stopping', end: 'ended', hand_back: 'refused' },
  completed: { claim: 'refused', run: 'refused', stop: 'refused', end: 'refused', hand_back: 'refused' },
  failed: { claim: 'refused', run: 'refused', stop: 'refused', end: 'refused', hand_back: 'refused' },
  cancelled: { claim: 'refused', run: 'refused', stop: 'refused', end: 'refused', hand_back: 'refused' },
  lost: { claim: 'refused', run: 'refused', stop: 'refused', end: 'refused', hand_back: 'refused' },
};

export const transition = (status: TurnStatus, event: TurnEvent) => TRANSITIONS[status][event];

export const isLive = (status: TurnStatus): boolean => transition(status, 'end') === 'ended';

/** Claims of one turn after which a turn that never got to run is given up. */
export const MAX_ATTEMPTS = 5;

/**
 * What becomes of a turn whose owner's lease ran out. The prompt is sent only after `running` was acknowledged, so a
 * turn lost while `starting` has done nothing yet and can be claimed again.
 */
export function afterLostOwner(status: TurnStatus, attempt: number): 'requeue' | 'lose' {
  return transition(status, 'hand_back') === 'queued' && attempt < MAX_ATTEMPTS ? 'requeue' : 'lose';
}

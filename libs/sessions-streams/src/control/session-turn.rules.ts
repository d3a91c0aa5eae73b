/**
 * The life of a turn. `inbox`: its prompt waits for the turn before it. The next four are live: at most one turn of a
 * session is in them. The rest are final; `merged`: its prompt was handed to the turn that was live.
 */
export const TURN_STATUSES = [
  'inbox',
  'queued',
  'starting',
  'running',
  'stopping',
  'completed',
  'failed',
  'cancelled',
  'superseded',
  'merged',
  'paused',
  'lost',
] as const;

export type TurnStatus = (typeof TURN_STATUSES)[number];

/** How a turn can end. */
export const TURN_OUTCOMES = ['completed', 'failed', 'cancelled', 'superseded', 'merged', 'paused', 'lost'] as const;

export type TurnOutcome = (typeof TURN_OUTCOMES)[number];

/** How a runner speaks with the harness of a turn. */
export const TURN_DRIVES = ['acp', 'cli'] as const;

export type TurnDrive = (typeof TURN_DRIVES)[number];

/** What becomes of the questions of its agent: put to people, denied, or not asked at all. */
export const TURN_APPROVALS = ['ask', 'deny', 'bypass'] as const;

export type TurnApprovals = (typeof TURN_APPROVALS)[number];

/** What can happen to a turn. `hand_back`: its runner gives it up, or is lost; it goes in line again. */
export type TurnEvent = 'promote' | 'claim' | 'run' | 'stop' | 'end' | 'hand_back';

type Transitions = Record<TurnEvent, TurnStatus | 'ended' | 'refused'>;

const FINAL: Transitions = {
  promote: 'refused',
  claim: 'refused',
  run: 'refused',
  stop: 'refused',
  end: 'refused',
  hand_back: 'refused',
};

/** Where each event leads from each status; `refused` leaves the turn as it is. */
const TRANSITIONS: Record<TurnStatus, Transitions> = {
  inbox: { ...FINAL, promote: 'queued', stop: 'ended', end: 'ended' },
  queued: { ...FINAL, claim: 'starting', stop: 'ended', end: 'ended' },
  starting: { ...FINAL, run: 'running', stop: 'stopping', end: 'ended', hand_back: 'queued' },
  running: { ...FINAL, run: 'running', stop: 'stopping', end: 'ended', hand_back: 'queued' },
  stopping: { ...FINAL, run: 'stopping', stop: 'stopping', end: 'ended' },
  completed: FINAL,
  failed: FINAL,
  cancelled: FINAL,
  superseded: FINAL,
  merged: FINAL,
  paused: FINAL,
  lost: FINAL,
};

export const transition = (status: TurnStatus, event: TurnEvent) => TRANSITIONS[status][event];

/** The statuses of which a session has at most one turn; the partial unique index names the same. */
export const LIVE_STATUSES = ['queued', 'starting', 'running', 'stopping'] as const satisfies readonly TurnStatus[];

export type LiveStatus = (typeof LIVE_STATUSES)[number];

export const isLive = (status: TurnStatus): status is LiveStatus =>
  (LIVE_STATUSES as readonly TurnStatus[]).includes(status);

/** How a prompt came to wait: behind the others, or before them, to replace the live turn or to be handed to it. */
export const DELIVERIES = ['queue', 'steer', 'in_turn'] as const;

export type Delivery = (typeof DELIVERIES)[number];

/** How a turn ends that was to end as `outcome`: one that was asked to stop and says no more than that it did, as it was asked. */
export function outcomeOf(
  turn: { status: TurnStatus; stop_status: 'cancelled' | 'superseded' | null },
  outcome: TurnOutcome,
): TurnOutcome {
  return turn.status === 'stopping' && outcome === 'cancelled' ? (turn.stop_status ?? 'cancelled') : outcome;
}

/** Commands of invoke and its neighbours. */
export const SESSION_COMMANDS = ['send', 'queue', 'steer', 'cancel', 'attach', 'kill'] as const;

export type SessionCommand = (typeof SESSION_COMMANDS)[number];

/** What a session takes now: the status of its live turn, or idle. Limits on starting change none of it. */
export function allowedCommands(status: LiveStatus | 'idle'): SessionCommand[] {
  return status === 'idle' ? ['send', 'queue', 'steer', 'kill'] : ['queue', 'steer', 'cancel', 'attach', 'kill'];
}

/** What becomes of a turn whose owner was lost for the `lostAttempts`-th time. */
export function afterLostOwner(status: TurnStatus, lostAttempts: number, maxAttempts: number): 'requeue' | 'lose' {
  return transition(status, 'hand_back') === 'queued' && lostAttempts < maxAttempts ? 'requeue' : 'lose';
}

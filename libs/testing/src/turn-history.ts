/** An event of a session's log, as everybody reads it. */
export interface LoggedEvent {
  type: string;
  turn_id?: string | null;
  data?: unknown;
}

/** One claim of a turn, and what its owner wrote under it. */
export interface TurnAttempt {
  attempt: number;
  epoch: number;
  replica_id: string;
  /** Payloads of its `agent.update` events, in order. */
  updates: Record<string, unknown>[];
  /** Whether the turn got as far as `turn.running`. */
  hasRun: boolean;
  /** What ended it: `lost`, `handed_over`, or the turn's outcome; undefined while it lasts. */
  end?: string;
}

/** What the log tells of one turn. */
export interface TurnHistory {
  turn_id: string;
  status: string;
  attempts: TurnAttempt[];
  /** Why it was asked to stop, if it was. */
  stopReason?: string;
}

/** What a session's log tells, and where that cannot be true. */
export interface SessionHistory {
  turns: Map<string, TurnHistory>;
  problems: string[];
}

const LIVE = ['queued', 'starting', 'running', 'stopping'];
const OWNED = ['starting', 'running', 'stopping', 'losing'];

/** From which statuses each event may come, and where it leads. `losing`: its last owner is lost, its end comes next. */
const STEPS: Record<string, { from: string[]; to: string }> = {
  'turn.inbox': { from: ['new'], to: 'inbox' },
  'turn.queued': { from: ['new', 'inbox'], to: 'queued' },
  'turn.starting': { from: ['queued'], to: 'starting' },
  'turn.running': { from: ['starting'], to: 'running' },
  'turn.stopping': { from: ['starting', 'running'], to: 'stopping' },
  'turn.merged': { from: ['inbox'], to: 'merged' },
  'turn.completed': { from: ['starting', 'running', 'stopping'], to: 'completed' },
  'turn.failed': { from: ['inbox', ...LIVE, 'losing'], to: 'failed' },
  'turn.cancelled': { from: ['inbox', ...LIVE, 'losing'], to: 'cancelled' },
  'turn.superseded': { from: ['inbox', ...LIVE, 'losing'], to: 'superseded' },
  'turn.paused': { from: ['running'], to: 'paused' },
  'turn.lost': { from: ['losing'], to: 'lost' },
};

/** The events that only the owner of the live turn may cause. */
const OF_OWNERS = /^(agent\.|interaction\.requested$)/;

/**
 * Replays a session's log from its start into the turns that it tells of. Every event that the ones before it make
 * impossible is a problem: two live turns, an epoch that does not grow, an owner that writes after its turn was taken.
 */
export function replayTurns(events: Iterable<LoggedEvent>): SessionHistory {
  const turns = new Map<string, TurnHistory>();
  const problems: string[] = [];
  let newestEpoch = 0;
  let at = 0;
  const live = () => [...turns.values()].find(({ status }) => LIVE.includes(status) || status === 'losing');

  for (const event of events) {
    const problem = (what: string) => problems.push(`event ${at} (${event.type} of ${event.turn_id}): ${what}`);
    const known = event.turn_id ? turns.get(event.turn_id) : undefined;
    const data = (event.data ?? {}) as Record<string, unknown>;
    at += 1;

    if (OF_OWNERS.test(event.type)) {
      if (!known || !OWNED.includes(known.status)) problem(`written while the turn is ${known?.status ?? 'unknown'}`);
      if (event.type === 'agent.update') known?.attempts.at(-1)?.updates.push(data);
      continue;
    }
    const step = STEPS[event.type];
    if (!event.turn_id || (!step && !/^turn\./.test(event.type))) continue;

    const turn = known ?? { turn_id: event.turn_id, status: 'new', attempts: [] };
    turns.set(turn.turn_id, turn);
    const attempt = turn.attempts.at(-1);

    if (event.type === 'turn.attempt_lost' || event.type === 'turn.handed_over') {
      const end = event.type === 'turn.handed_over' ? 'handed_over' : 'lost';
      const goesOn = end === 'handed_over' ? turn.status !== 'stopping' : data['requeued'] === true;
      if (!OWNED.includes(turn.status) || turn.status === 'losing') problem(`the turn is ${turn.status}`);
      if (data['epoch'] !== attempt?.epoch || data['attempt'] !== attempt?.attempt) {
        problem(`it names attempt ${data['attempt']}, epoch ${data['epoch']}; the last is ${JSON.stringify(attempt)}`);
      }
      if (attempt) attempt.end = end;
      turn.status = goesOn ? 'queued' : 'losing';
      continue;
    }
    if (!step) {
      problem('nobody knows this event');
      continue;
    }
    if (!step.from.includes(turn.status)) problem(`the turn is ${turn.status}`);
    const other = live();
    if (step.to === 'queued' && other && other !== turn) problem(`${other.turn_id} is ${other.status}`);
    if (step.to === 'merged' && data['into_turn_id'] !== other?.turn_id) {
      problem(`${other?.turn_id} runs, not ${data['into_turn_id']}`);
    }
    turn.status = step.to;

    if (event.type === 'turn.starting') {
      const [number, epoch] = [Number(data['attempt']), Number(data['epoch'])];
      if (epoch <= newestEpoch) problem(`epoch ${epoch} after ${newestEpoch}`);
      if (number !== turn.attempts.length + 1) problem(`attempt ${number} after ${turn.attempts.length}`);
      newestEpoch = Math.max(newestEpoch, epoch);
      turn.attempts.push({
        attempt: number,
        epoch,
        replica_id: String(data['replica_id']),
        updates: [],
        hasRun: false,
      });
    } else if (event.type === 'turn.running' && attempt) attempt.hasRun = true;
    else if (event.type === 'turn.stopping') turn.stopReason = String(data['reason']);
    else if (attempt && !attempt.end && !LIVE.includes(step.to)) attempt.end = step.to;
  }
  return { turns, problems };
}

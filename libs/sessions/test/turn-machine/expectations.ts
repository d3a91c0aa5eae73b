import type { TurnFence } from '@holdfast/platform-postgres';
import type { SessionState } from './state.js';
import type { Op } from './steps.js';

/** How an operation must be answered: `undefined` for with success, else the code of its error. */
export type Expected = { code: string | undefined } | undefined;

const FINE: Expected = { code: undefined };

/**
 * What one is answered who acts while nobody interferes. Undefined where that is not known before: a new turn may find no
 * place in its project, and who picks something may find nothing to pick.
 */
export function expectationOf(op: Op, state: SessionState | undefined, grant: TurnFence | undefined): Expected {
  switch (op.do) {
    case 'send':
    case 'stay':
    case 'start or withdraw':
      return state?.live ? { code: 'session_in_use' } : undefined;
    case 'queue':
    case 'steer':
    case 'steer in turn':
      return state?.live ? FINE : undefined;
    case 'cancel':
    case 'attach':
      if (!state) return { code: 'session_not_found' };
      return state.live ? FINE : { code: 'no_live_turn' };
    case 'kill':
      return state ? FINE : { code: 'session_not_found' };
    case 'claim':
    case 'beat':
      return FINE;
    case 'append':
    case 'append late':
    case 'ask':
    case 'complete':
    case 'complete late':
    case 'hand over':
      return state && grant && expectationOfOwner(op.do, state, grant);
    default:
      return undefined;
  }
}

/** A superseded attempt never writes again, whatever it tries. */
function expectationOfOwner(does: Op['do'], { epoch, turns }: SessionState, grant: TurnFence): Expected {
  const turn = turns.find(({ turn_id }) => turn_id === grant.turn_id)!;
  if (isCurrent(grant, { epoch, turns })) {
    // Nothing was asked of its agent yet.
    return does === 'ask' && turn.status === 'starting' ? { code: 'turn_not_live' } : FINE;
  }
  const isItsOwnEnd = turn.ended_at !== null && turn.epoch === grant.epoch;
  const isRepeated = isItsOwnEnd || (does === 'hand over' && turn.handed_over_epoch === grant.epoch);
  if (isRepeated && (does.startsWith('complete') || does === 'hand over')) return FINE;
  if (isItsOwnEnd && does === 'ask' && epoch === grant.epoch) return { code: 'turn_not_live' };
  return { code: 'stale_epoch' };
}

export function isCurrent(grant: TurnFence, { epoch, turns }: Pick<SessionState, 'epoch' | 'turns'>): boolean {
  const turn = turns.find(({ turn_id }) => turn_id === grant.turn_id)!;
  return epoch === grant.epoch && turn.epoch === grant.epoch && turn.ended_at === null;
}

/**
 * What a command that succeeded has done, while nobody interfered. `turn_id` is the one that it was answered with,
 * `isOwner` whether who gave it owned the live turn.
 */
export function checkEffect(
  op: Op,
  before: SessionState,
  after: SessionState,
  { turn_id, isOwner }: { turn_id: string | undefined; isOwner: boolean },
): void {
  const was = before.live;
  const is = was && after.turns.find((turn) => turn.turn_id === was.turn_id);
  const waiting = after.inbox.map((entry) => entry.turn_id);
  switch (op.do) {
    case 'kill':
      expect([after.live, waiting]).toEqual([undefined, []]);
      break;
    case 'cancel':
      expect(is!.status).toBe(was!.status === 'queued' ? 'cancelled' : 'stopping');
      break;
    case 'queue':
      if (was) expect(waiting.at(-1)).toBe(turn_id);
      break;
    case 'steer':
      if (was?.status === 'queued') expect([is!.status, after.live!.turn_id]).toEqual(['superseded', turn_id]);
      else if (was) expect([is!.status, waiting[0]]).toEqual(['stopping', turn_id]);
      break;
    case 'steer in turn':
      if (was) expect([is!.status, lastOffered(after)]).toEqual([was.status, turn_id]);
      break;
    case 'hand over':
      // Repeated by who owned it once, it changes nothing of what came after.
      if (!isOwner) expect(is?.status).toBe(was?.status);
      else if (is!.ended_at === null) expect(is!.status).toBe('queued');
      break;
  }
}

/** Offered prompts stand in the order in which they were sent. */
const lastOffered = ({ inbox }: SessionState) => inbox.findLast(({ delivery }) => delivery === 'in_turn')?.turn_id;

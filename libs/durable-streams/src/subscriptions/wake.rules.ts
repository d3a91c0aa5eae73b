import { randomBytes } from 'node:crypto';
import type { Subscription, WakeState } from './subscription.js';

/** The next state, and in how many milliseconds it has to be looked at again: null never, absent as before. */
export interface WakeChange extends WakeState {
  due_in_ms?: number | null;
}

type Woken = Pick<Subscription, 'type'> & WakeState;

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
const JITTER = 0.2;

/** A wake event that nobody answers with a claim may have been read by a worker that died. It is written again. */
const FIRST_REMINDER_MS = 30_000;
const LAST_REMINDER_MS = 600_000;

/** Exponential from 1 s up to 60 s, 20 % more or less (Durable Streams, section 7.1). `attempts` counts from 1. */
export function retryDelayMs(attempts: number, random = Math.random()): number {
  const base = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), LAST_RETRY_MS);
  return Math.round(base * (1 + JITTER * (2 * random - 1)));
}

const reminderDelayMs = (attempts: number) => Math.min(FIRST_REMINDER_MS * 2 ** (attempts - 1), LAST_REMINDER_MS);

/** A new wake. Where the receiver of the last one could not be reached, the schedule of its retries goes on. */
export function startWake({ type, generation, attempts, last_error }: Woken): WakeChange {
  const isRetrying = type === 'webhook' && attempts > 0;
  return {
    generation: generation + 1,
    phase: 'waking',
    wake_id: `w_${randomBytes(16).toString('base64url')}`,
    holder: null,
    attempts: isRetrying ? attempts : 0,
    last_error: isRetrying ? last_error : null,
    due_in_ms: isRetrying ? retryDelayMs(attempts) : 0,
  };
}

/** Nothing is left to be done. */
export function rest({ generation }: WakeState): WakeChange {
  return { generation, phase: 'idle', wake_id: null, holder: null, attempts: 0, last_error: null, due_in_ms: null };
}

/** A worker has it, and is heard of within the lease. */
export function hold(state: WakeState, lease_ttl_ms: number, holder: string | null): WakeChange {
  return { ...state, phase: 'held', holder, attempts: 0, last_error: null, due_in_ms: lease_ttl_ms };
}

/** The webhook is about to be called. Until that succeeds it counts as one that failed: the process may die. */
export function attempt(state: WakeState, lease_ttl_ms: number): WakeChange {
  return { ...state, phase: 'held', attempts: state.attempts + 1, due_in_ms: lease_ttl_ms };
}

/** The receiver took it, and has the rest of the lease to call back. */
export function delivered(state: WakeState): WakeChange {
  return { ...state, attempts: 0, last_error: null };
}

/** The receiver could not be reached or did not take it; the same wake is sent again. */
export function deliveryFailed(state: WakeState, reason: string): WakeChange {
  return { ...state, phase: 'waking', last_error: reason, due_in_ms: retryDelayMs(state.attempts) };
}

/** The event is in the wake stream; it is repeated until somebody claims. */
export function announced(state: WakeState): WakeChange {
  const attempts = state.attempts + 1;
  return { ...state, attempts, last_error: null, due_in_ms: reminderDelayMs(attempts) };
}

/** The wake stream cannot be written. */
export function announcementFailed(state: WakeState, reason: string): WakeChange {
  const attempts = state.attempts + 1;
  return { ...state, attempts, last_error: reason, due_in_ms: retryDelayMs(attempts) };
}

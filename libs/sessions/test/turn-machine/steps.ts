import fc from 'fast-check';

/** How many of each there are in a run. */
export const SESSIONS = 3;
export const RUNNERS = 2;

/**
 * What somebody does. `process` is the api process that is asked, `session` and `runner` say for or by whom; `nth` picks
 * one of what there is by then (a grant, a question, an entry of the inbox, an earlier command), counted round. A `guest`
 * has a key that may be taken away.
 */
export type Op = { process: number } & (
  | { do: 'send' | 'start or withdraw' | 'stay' | 'queue' | 'steer' | 'steer in turn'; session: number; guest: boolean }
  | { do: 'cancel' | 'kill' | 'attach'; session: number }
  | { do: 'detach' | 'withdraw' | 'reorder'; session: number; nth: number }
  | { do: 'repeat' | 'answer'; nth: number }
  | { do: 'claim'; runner: number; capacity: number }
  | { do: 'beat'; runner: number; running: boolean; malformed: boolean }
  | { do: 'beat late' | 'append' | 'append late' | 'ask' | 'hand over' | 'merge'; nth: number }
  | { do: 'complete' | 'complete late'; nth: number; status: 'completed' | 'failed' | 'cancelled' }
  | { do: 'sweep' }
);

/** One moment: some things that are done at the same time, or something that befalls them all. */
export type Step =
  | { at_once: Op[] }
  | { crash: number }
  | { lease_of: number; runs_out: true }
  | { owner_lost_of: number; swept_by: number }
  | { stop_of: number; is_due: true }
  | { clocks_jump_hours: number }
  | { guest_loses_key: true };

const process = fc.nat({ max: 1 });
/** The first one most of all, so that much happens to it. */
const session = fc.constantFrom(0, 0, 0, 1, 1, 2);
const runner = fc.nat({ max: RUNNERS - 1 });
const nth = fc.nat({ max: 20 });
const guest = fc.nat({ max: 4 }).map((n) => n === 4);
const mostly = fc.nat({ max: 4 }).map((n) => n > 0);
const status = fc.constantFrom('completed', 'completed', 'failed', 'cancelled');

const op = (weight: number, name: Op['do'], rest: Record<string, fc.Arbitrary<unknown>> = {}) => ({
  weight,
  arbitrary: fc.record({ do: fc.constant(name), process, ...rest }) as unknown as fc.Arbitrary<Op>,
});

const ops = fc.oneof(
  op(8, 'send', { session, guest }),
  op(2, 'start or withdraw', { session, guest }),
  op(2, 'stay', { session, guest }),
  op(5, 'queue', { session, guest }),
  op(5, 'steer', { session, guest }),
  op(4, 'steer in turn', { session, guest }),
  op(4, 'cancel', { session }),
  op(3, 'kill', { session }),
  op(2, 'attach', { session }),
  op(2, 'detach', { session, nth }),
  op(2, 'withdraw', { session, nth }),
  op(2, 'reorder', { session, nth }),
  op(3, 'repeat', { nth }),
  op(3, 'answer', { nth }),
  op(12, 'claim', { runner, capacity: fc.integer({ min: 1, max: 3 }) }),
  op(10, 'beat', { runner, running: mostly, malformed: fc.boolean() }),
  op(3, 'beat late', { nth }),
  op(5, 'append', { nth }),
  op(4, 'append late', { nth }),
  op(5, 'ask', { nth }),
  op(3, 'hand over', { nth }),
  op(4, 'merge', { nth }),
  op(6, 'complete', { nth, status }),
  op(3, 'complete late', { nth, status }),
  op(3, 'sweep'),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 14, arbitrary: fc.record({ at_once: fc.array(ops, { minLength: 1, maxLength: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ crash: runner }) },
  { weight: 2, arbitrary: fc.record({ lease_of: session, runs_out: fc.constant(true as const) }) },
  { weight: 2, arbitrary: fc.record({ owner_lost_of: session, swept_by: process }) },
  { weight: 2, arbitrary: fc.record({ stop_of: session, is_due: fc.constant(true as const) }) },
  { weight: 1, arbitrary: fc.record({ guest_loses_key: fc.constant(true as const) }) },
  { weight: 1, arbitrary: fc.record({ clocks_jump_hours: fc.constantFrom(-3, -1, 1, 3) }) },
);

/** A turn that somebody owns first, so that few steps are wasted on what is not there. */
export const steps: fc.Arbitrary<Step[]> = fc
  .array(step, { minLength: 1, maxLength: 40, size: 'max' })
  .map((rest) => [
    { at_once: [{ do: 'send', process: 0, session: 0, guest: false }] },
    { at_once: [{ do: 'claim', process: 1, runner: 0, capacity: 1 }] },
    ...rest,
  ]);

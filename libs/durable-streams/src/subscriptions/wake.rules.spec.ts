import type { WakeState } from './subscription.js';
import {
  announced,
  announcementFailed,
  attempt,
  delivered,
  deliveryFailed,
  hold,
  rest,
  retryDelayMs,
  startWake,
} from './wake.rules.js';

const idle: WakeState = { generation: 4, phase: 'idle', wake_id: null, holder: null, attempts: 0, last_error: null };

describe('the state of a wake', () => {
  it('a new one has the next generation and an id of its own, and is due at once', () => {
    const [one, two] = [startWake({ ...idle, type: 'webhook' }), startWake({ ...idle, type: 'pull-wake' })];
    expect(one).toMatchObject({ generation: 5, phase: 'waking', holder: null, due_in_ms: 0 });
    expect(one.wake_id).toMatch(/^w_[A-Za-z0-9_-]{22}$/);
    expect(one.wake_id).not.toBe(two.wake_id);
  });

  it('a new one waits where the receiver could not be reached for the last one, and where a claim was late it does not', () => {
    const late: WakeState = { ...idle, phase: 'held', wake_id: 'w', holder: 'x', attempts: 4, last_error: 'down' };
    const webhook = startWake({ ...late, type: 'webhook' });
    expect(webhook).toMatchObject({ generation: 5, attempts: 4, last_error: 'down', holder: null });
    expect(webhook.due_in_ms).toBeGreaterThanOrEqual(6_400);
    expect(startWake({ ...late, type: 'pull-wake' })).toMatchObject({ attempts: 0, last_error: null, due_in_ms: 0 });
  });

  it('an attempt counts as failed until it succeeds, and keeps the wake', () => {
    const waking: WakeState = { ...idle, phase: 'waking', wake_id: 'w' };
    const attempted = attempt(waking, 30_000);
    expect(attempted).toMatchObject({ phase: 'held', wake_id: 'w', generation: 4, attempts: 1, due_in_ms: 30_000 });
    expect(deliveryFailed(attempted, 'down')).toMatchObject({
      phase: 'waking',
      wake_id: 'w',
      attempts: 1,
      last_error: 'down',
    });
    expect(delivered({ ...attempted, last_error: 'down' })).toMatchObject({
      phase: 'held',
      attempts: 0,
      last_error: null,
    });
    expect(delivered(waking)).not.toHaveProperty('due_in_ms');
  });

  it('an announcement is repeated after 30 s, then ever later up to 10 min', () => {
    let state: WakeState = { ...idle, phase: 'waking', wake_id: 'w' };
    const delays = Array.from({ length: 7 }, () => {
      const next = announced(state);
      state = next;
      return next.due_in_ms;
    });
    expect(delays).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
    expect(announcementFailed(state, 'gone')).toMatchObject({ attempts: 8, last_error: 'gone', phase: 'waking' });
  });

  it('a worker that has it clears what failed before; at rest nothing is due', () => {
    const waking: WakeState = { ...idle, phase: 'waking', wake_id: 'w', attempts: 3, last_error: 'gone' };
    expect(hold(waking, 5_000, 'me')).toMatchObject({
      phase: 'held',
      holder: 'me',
      attempts: 0,
      last_error: null,
      due_in_ms: 5_000,
    });
    expect(rest(waking)).toEqual({ ...idle, due_in_ms: null });
  });

  it('retries double from 1 s to 60 s, 20 % more or less', () => {
    expect([1, 2, 3, 6, 7, 8, 1_000].map((attempts) => retryDelayMs(attempts, 0.5))).toEqual([
      1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000,
    ]);
    expect([retryDelayMs(1, 0), retryDelayMs(1, 1)]).toEqual([800, 1_200]);
  });
});

import { TurnClock } from '../src/turn-clock.js';

describe('TurnClock', () => {
  let over: number;
  let clock: TurnClock;

  beforeEach(() => {
    jest.useFakeTimers();
    over = 0;
    clock = new TurnClock(1_000, () => (over += 1));
    clock.start();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('tells once when the time is over', () => {
    jest.advanceTimersByTime(999);
    expect(over).toBe(0);
    jest.advanceTimersByTime(10_000);
    expect(over).toBe(1);
  });

  it('K4: stands still while somebody is waited for', () => {
    jest.advanceTimersByTime(400);
    clock.pause();
    clock.pause();
    jest.advanceTimersByTime(60_000);
    clock.resume();
    jest.advanceTimersByTime(60_000);
    clock.resume();
    jest.advanceTimersByTime(599);
    expect(over).toBe(0);
    jest.advanceTimersByTime(1);
    expect(over).toBe(1);
  });

  it('never tells after it was stopped, whoever resumes', () => {
    clock.pause();
    clock.stop();
    clock.resume();
    jest.advanceTimersByTime(60_000);
    expect(over).toBe(0);
  });
});

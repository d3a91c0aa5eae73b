import { Logger } from '@nestjs/common';
import { eventually } from '@holdfast/testing';
import { PeriodicTask } from '../src/index.js';

Logger.overrideLogger(false);

const AN_HOUR = 3_600_000;

/** Work whose rounds end when the test says so. */
function steppedWork() {
  const rounds: { end: () => void; fail: (error: Error) => void; stopping: AbortSignal }[] = [];
  const work = (stopping: AbortSignal) =>
    new Promise<void>((end, fail) => {
      rounds.push({ end, fail, stopping });
    });
  return { rounds, work };
}

describe('a periodic task', () => {
  it('begins at once and goes on at intervals, also after a round that failed', async () => {
    const outcomes = [new Error('first'), undefined, new Error('third'), undefined];
    let rounds = 0;
    const task = new PeriodicTask('test', 5, async () => {
      const outcome = outcomes[rounds++];
      if (outcome) throw outcome;
    });
    task.start();
    expect(rounds).toBe(1);
    await eventually(() => expect(rounds).toBeGreaterThanOrEqual(4));
    await task.stop();
  });

  it('runs one more round when it is woken any number of times during one, and never two at once', async () => {
    const { rounds, work } = steppedWork();
    const task = new PeriodicTask('test', AN_HOUR, work);
    task.start();
    for (let i = 0; i < 5; i++) task.wake();
    expect(rounds).toHaveLength(1);
    rounds[0]!.end();
    await eventually(() => expect(rounds).toHaveLength(2));
    rounds[1]!.end();
    await new Promise((resolve) => setImmediate(resolve));
    expect(rounds).toHaveLength(2);
    await task.stop();
  });

  it('runs at once when it is woken between rounds', async () => {
    let rounds = 0;
    const task = new PeriodicTask('test', AN_HOUR, async () => rounds++);
    task.start();
    await new Promise((resolve) => setImmediate(resolve));
    task.wake();
    expect(rounds).toBe(2);
    await task.stop();
  });

  it('tells the round at work to stop, waits for it, and runs none any more', async () => {
    const { rounds, work } = steppedWork();
    const task = new PeriodicTask('test', 1, work);
    task.start();
    task.wake();
    let hasStopped = false;
    const stopped = task.stop().then(() => (hasStopped = true));
    expect(rounds[0]!.stopping.aborted).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(hasStopped).toBe(false);
    rounds[0]!.end();
    await stopped;
    task.wake();
    expect(rounds).toHaveLength(1);
  });
});

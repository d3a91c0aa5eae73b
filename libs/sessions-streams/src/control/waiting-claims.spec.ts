import { Signals } from '@holdfast/platform-signals';
import type { TurnLeasesRepository } from './turn-leases.repository.js';
import { queueChannel, queueSignal } from './turn-queue.channel.js';
import { WaitingClaims } from './waiting-claims.js';

/** Signals that arrive at once. */
class DirectSignals extends Signals {
  private readonly listeners = new Map<string, Set<(payload: string) => void>>();
  onGapCalled: () => void = () => undefined;

  publish(channel: string, payload: string): void {
    for (const listener of this.listeners.get(channel) ?? []) listener(payload);
  }

  async subscribe(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>> {
    this.listeners.set(channel, (this.listeners.get(channel) ?? new Set()).add(listener));
    return async () => {
      this.listeners.get(channel)!.delete(listener);
      if (!this.listeners.get(channel)!.size) this.listeners.delete(channel);
    };
  }

  onGap(listener: () => void): () => void {
    this.onGapCalled = listener;
    return () => undefined;
  }

  get channels(): string[] {
    return [...this.listeners.keys()];
  }
}

describe('claims that wait in one process', () => {
  let ending: AbortController;
  let signals: DirectSignals;
  let line: { project_id: string; pool: string; labels: string[] }[];
  let desk: WaitingClaims;
  let turns = 0;
  beforeEach(() => {
    ending = new AbortController();
    signals = new DirectSignals();
    line = [];
    desk = new WaitingClaims(signals, { queuedDemands: async () => line } as unknown as TurnLeasesRepository);
  });
  afterEach(() => {
    ending.abort();
    desk.onApplicationShutdown();
  });

  const announce = (labels: string[] = [], pool = 'default') =>
    signals.publish(queueChannel('p', pool), queueSignal({ turn_id: `t-${turns++}`, labels }));
  const join = (labels: string[] = [], abort: AbortSignal = ending.signal) =>
    desk.join('p', { pools: ['default'], labels }, abort);
  /** Which of the claims have been told, once everything that was to happen has. */
  const watch = (waits: Promise<void>[]) => {
    const told = new Set<number>();
    waits.forEach((wait, index) => void wait.then(() => told.add(index)));
    return async () => {
      await new Promise(setImmediate);
      return [...told];
    };
  };

  it('a turn is told to the one that has waited longest, and to no other', async () => {
    const claims = [await join(), await join(), await join()];
    const told = watch(claims.map((claim) => claim.next(60_000)));
    announce();
    expect(await told()).toEqual([0]);
    announce();
    expect(await told()).toEqual([0, 1]);
  });

  it('whoever was told and waits again is the last in line', async () => {
    const claims = [await join(), await join()];
    const first = claims[0]!.next(60_000);
    const second = claims[1]!.next(60_000);
    announce();
    await first;
    claims[0]!.settle();
    const told = watch([claims[0]!.next(60_000), second]);
    announce();
    expect(await told()).toEqual([1]);
  });

  it('a turn is told only to those that have its labels', async () => {
    const claims = [await join(), await join(['gpu=a100']), await join(['gpu=a100', 'os=linux'])];
    const told = watch(claims.map((claim) => claim.next(60_000)));
    announce(['os=linux', 'gpu=a100']);
    expect(await told()).toEqual([2]);
    announce(['zone=eu']);
    expect(await told()).toEqual([2]);
  });

  it('a turn that comes while all are busy is told to the first that is free', async () => {
    const claim = await join();
    announce();
    announce();
    await claim.next(60_000);
    claim.settle();
    await claim.next(60_000);
    claim.settle();
    const told = watch([claim.next(60_000)]);
    expect(await told()).toEqual([]);
  });

  it('what one was told of and leaves behind is told to another', async () => {
    const claims = [await join(), await join()];
    const waits = claims.map((claim) => claim.next(60_000));
    const told = watch(waits);
    announce();
    await waits[0];
    await claims[0]!.leave();
    expect(await told()).toEqual([0, 1]);
  });

  it('two that stand aside do not pass a turn to and fro', async () => {
    const claims = [await join(), await join()];
    const waits = claims.map((claim) => claim.next(60_000));
    announce();
    await waits[0];
    const told = watch([claims[0]!.standAside(60_000), waits[1]!]);
    expect(await told()).toEqual([1]);
    const toldAgain = watch([claims[1]!.standAside(60_000)]);
    expect(await toldAgain()).toEqual([]);
  });

  it('one whose caller leaves stops waiting', async () => {
    const leaving = new AbortController();
    const claim = await join([], leaving.signal);
    const wait = claim.next(60_000);
    leaving.abort();
    await wait;
    await claim.next(60_000);
    await claim.standAside(60_000);
  });

  it('after a gap in the signals the line is looked at, and each turn in it is told to one', async () => {
    const claims = [await join(), await join(), await join()];
    const told = watch(claims.map((claim) => claim.next(60_000)));
    line = [
      { project_id: 'p', pool: 'default', labels: [] },
      { project_id: 'p', pool: 'default', labels: [] },
    ];
    signals.onGapCalled();
    expect(await told()).toEqual([0, 1]);
  });

  it('listens to a pool as long as anybody waits there', async () => {
    const claims = [await join(), await join()];
    expect(signals.channels).toEqual([queueChannel('p', 'default')]);
    await claims[0]!.leave();
    expect(signals.channels).toHaveLength(1);
    await claims[1]!.leave();
    expect(signals.channels).toEqual([]);
  });

  it('a payload that was too long to travel is told to one that waits', async () => {
    const claim = await join();
    const told = watch([claim.next(60_000)]);
    signals.publish(queueChannel('p', 'default'), '');
    expect(await told()).toEqual([0]);
  });
});

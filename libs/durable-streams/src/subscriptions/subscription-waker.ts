import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { LinkedStreamsRepository, type DueLog } from './linked-streams.repository.js';
import { SubscriptionsRepository } from './subscriptions.repository.js';
import { startWake } from './wake.rules.js';

const BATCH = 100;

/**
 * Turns appends into wakes. An append leaves a mark on its log. Whoever runs this begins the wakes of the idle
 * subscriptions, and takes the mark away once that is committed and unless there was another append, so that a mark stands
 * for work that no subscription may know of yet. A subscription that is not idle looks for work itself when its wake
 * ends. Any number of processes may run it, and it keeps no writer waiting.
 */
@Injectable()
export class SubscriptionWaker {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly repository: SubscriptionsRepository,
    private readonly streams: LinkedStreamsRepository,
  ) {}

  /** Looks at every marked log once. */
  async run(stopping: AbortSignal): Promise<void> {
    let last: DueLog | undefined;
    while (!stopping.aborted) {
      const logs = await this.streams.dueLogs(BATCH, last);
      if (logs.length) await this.settle(await this.wake(logs));
      if (logs.length < BATCH) return;
      last = logs.at(-1);
    }
  }

  /** Begins wakes. Resolves to the logs all of whose subscriptions were looked at; those of others stay marked. */
  private wake(logs: DueLog[]): Promise<(DueLog & { linked: boolean })[]> {
    return this.unitOfWork.run(async (tx) => {
      // Whoever holds one of the others may have looked for work before the append.
      const subscriptions = await this.repository.lockOf(tx, logs);
      await this.streams.markPending(tx, logs, subscriptions);
      for (const subscription of subscriptions) {
        if (subscription.phase !== 'idle' || !(await this.streams.somePending(tx, subscription))) continue;
        await this.repository.save(tx, subscription, startWake(subscription));
      }
      return this.streams.linkedOnlyTo(tx, logs, subscriptions);
    });
  }

  private async settle(logs: (DueLog & { linked: boolean })[]): Promise<void> {
    const linked = logs.filter((log) => log.linked);
    const unlinked = logs.filter((log) => !log.linked);
    if (linked.length) await this.streams.clearDue(linked);
    if (unlinked.length) await this.unitOfWork.run((tx) => this.streams.unsubscribe(tx, unlinked));
  }
}

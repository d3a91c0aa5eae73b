import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { SubscriptionDeliveries, SubscriptionWaker, WAKES_CHANNEL, type CallOutcome } from '@holdfast/durable-streams';
import { PeriodicTask } from '@holdfast/platform-queue';
import { Signals } from '@holdfast/platform-signals';
import { Metrics } from '@holdfast/platform-telemetry';

const LOOK_EVERY_MS = 500;

/** Wakes the workers of subscriptions: after an append at once, and whatever is due at intervals. */
@Injectable()
export class SubscriptionWakeUps implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task = new PeriodicTask('wake-subscriptions', LOOK_EVERY_MS, (stopping) => this.round(stopping));
  private readonly calls;
  private unsubscribe: () => Promise<void> = async () => undefined;

  constructor(
    private readonly waker: SubscriptionWaker,
    private readonly deliveries: SubscriptionDeliveries,
    private readonly signals: Signals,
    metrics: Metrics,
  ) {
    this.calls = metrics.counter({
      name: 'holdfast_webhook_calls_total',
      help: 'Calls of webhooks: done, accepted (to be finished by a callback), failed, or lost (outcome not noted).',
      labelNames: ['outcome'],
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    this.unsubscribe = await this.signals.subscribe(WAKES_CHANNEL, () => this.task.wake());
    this.task.start();
  }

  /** Calls that are under way are heard out: each ends within its deadline. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.unsubscribe();
    await this.task.stop();
    await this.deliveries.settled();
  }

  private async round(stopping: AbortSignal): Promise<void> {
    await this.waker.run(stopping);
    await this.deliveries.run(stopping, (outcome) => this.called(outcome));
  }

  private called(outcome: CallOutcome): void {
    this.calls.inc({ outcome });
    this.task.wake();
  }
}

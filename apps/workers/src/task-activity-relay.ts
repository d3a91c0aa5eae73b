import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { PeriodicTask } from '@holdfast/platform-queue';
import { Signals } from '@holdfast/platform-signals';
import { Metrics } from '@holdfast/platform-telemetry';
import { ACTIVITY_CHANNEL, TaskActivityRelayer } from '@holdfast/sessions-sharing';

const LOOK_EVERY_MS = 1_000;

/** Brings what is told of tasks to their activity logs: when it is told, and whatever is left at intervals. */
@Injectable()
export class TaskActivityRelay implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task = new PeriodicTask('relay-task-activity', LOOK_EVERY_MS, (stopping) => this.round(stopping));
  private readonly relayed;
  private unsubscribe: () => Promise<void> = async () => undefined;

  constructor(
    private readonly relayer: TaskActivityRelayer,
    private readonly signals: Signals,
    metrics: Metrics,
  ) {
    this.relayed = metrics.counter({
      name: 'holdfast_task_events_relayed_total',
      help: 'Events of tasks that were brought to their activity logs.',
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    this.unsubscribe = await this.signals.subscribe(ACTIVITY_CHANNEL, () => this.task.wake());
    this.task.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.unsubscribe();
    await this.task.stop();
  }

  private async round(stopping: AbortSignal): Promise<void> {
    this.relayed.inc(await this.relayer.run(stopping));
  }
}

import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { ExpiredLogs, LogCompactor, LogGarbage, LogRetention } from '@holdfast/durable-streams';
import { PeriodicTask } from '@holdfast/platform-queue';
import { Metrics } from '@holdfast/platform-telemetry';

const COMPACT_EVERY_MS = 1_000;
const REMOVE_EVERY_MS = 5_000;
const TRIM_EVERY_MS = 3_600_000;

/** What of the maintenance of logs an operator decides. */
export abstract class LogMaintenanceConfig {
  /** Days after which messages are trimmed; undefined: never. */
  abstract readonly retentionDays: number | undefined;
}

/** Keeps logs quick to read, and rids the database of what nobody may read any more. Any number of workers may do it. */
@Injectable()
export class LogMaintenance implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(LogMaintenance.name);
  private readonly counters;
  private readonly tasks: PeriodicTask[];

  constructor(
    private readonly compactor: LogCompactor,
    private readonly retention: LogRetention,
    private readonly expired: ExpiredLogs,
    private readonly garbage: LogGarbage,
    { retentionDays }: LogMaintenanceConfig,
    metrics: Metrics,
  ) {
    this.counters = countersOf(metrics);
    this.tasks = [
      new PeriodicTask('compact-logs', COMPACT_EVERY_MS, (stopping) => this.compact(stopping)),
      new PeriodicTask('remove-expired-logs', REMOVE_EVERY_MS, (stopping) => this.removeExpired(stopping)),
      new PeriodicTask('remove-log-garbage', REMOVE_EVERY_MS, (stopping) => this.removeGarbage(stopping)),
    ];
    if (retentionDays !== undefined) {
      this.tasks.push(
        new PeriodicTask('trim-old-logs', TRIM_EVERY_MS, (stopping) => this.trim(retentionDays, stopping)),
      );
    }
  }

  onApplicationBootstrap(): void {
    for (const task of this.tasks) task.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.tasks.map((task) => task.stop()));
  }

  private async compact(stopping: AbortSignal): Promise<void> {
    const done = await this.compactor.run(stopping);
    this.counters.merged.inc(done.merged);
    this.counters.mergedBytes.inc(done.bytes);
    if (done.merged) this.logger.debug({ event: 'logs.compacted', ...done });
  }

  private async removeExpired(stopping: AbortSignal): Promise<void> {
    const done = await this.expired.sweep(stopping);
    this.counters.expired.inc(done.logs);
    if (done.logs) this.logger.log({ event: 'logs.expired', ...done });
  }

  private async removeGarbage(stopping: AbortSignal): Promise<void> {
    const done = await this.garbage.collect(stopping);
    this.counters.removed.inc({ table: 'log_segments' }, done.segments);
    this.counters.removed.inc({ table: 'log_producers' }, done.producers);
    if (done.segments + done.producers) this.logger.log({ event: 'logs.garbage_removed', ...done });
  }

  private async trim(days: number, stopping: AbortSignal): Promise<void> {
    const done = await this.retention.trimByAge(days, stopping);
    this.counters.trimmed.inc(done.logs);
    if (done.logs) this.logger.log({ event: 'logs.trimmed', days, ...done });
  }
}

const countersOf = (metrics: Metrics) => ({
  merged: metrics.counter({
    name: 'holdfast_log_segments_merged_total',
    help: 'Segments of logs that compaction merged into larger ones.',
  }),
  mergedBytes: metrics.counter({
    name: 'holdfast_log_merged_bytes_total',
    help: 'Bytes that compaction wrote again.',
  }),
  expired: metrics.counter({
    name: 'holdfast_logs_expired_total',
    help: 'Logs that were removed because their time had passed.',
  }),
  trimmed: metrics.counter({
    name: 'holdfast_logs_trimmed_total',
    help: 'Logs that lost messages because of their age, each round counted.',
  }),
  removed: metrics.counter({
    name: 'holdfast_log_rows_removed_total',
    help: 'Rows of deleted and trimmed logs that were removed.',
    labelNames: ['table'],
  }),
});

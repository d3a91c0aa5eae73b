import { Module, type DynamicModule } from '@nestjs/common';
import { AuthModule } from '@holdfast/platform-auth';
import { DEFAULT_DURABLE_STREAMS_CONFIG } from '@holdfast/durable-streams';
import { BlobsModule } from '@holdfast/platform-blobs';
import { BlobStoreHealthCheck, DatabaseHealthCheck, HttpModule } from '@holdfast/platform-http';
import { PostgresModule } from '@holdfast/platform-postgres';
import { OutboxRelay, QueueModule } from '@holdfast/platform-queue';
import { SignalsModule } from '@holdfast/platform-signals';
import { TelemetryModule } from '@holdfast/platform-telemetry';
import { persistence, SessionsModule } from '@holdfast/sessions';
import { sessionsSharingJobs } from '@holdfast/sessions-sharing';
import { sessionsStreamsJobs } from '@holdfast/sessions-streams';
import {
  DEFAULT_NATIVE_TRANSCRIPTS_CONFIG,
  readRedactionRules,
  sessionsTranscriptsJobs,
} from '@holdfast/sessions-transcripts';
import { sessionsTriggersJobs } from '@holdfast/sessions-triggers';
import type { WorkersConfig } from './config.js';
import { LogMaintenance, LogMaintenanceConfig } from './log-maintenance.js';
import { RecurringTasks, RetentionConfig } from './recurring-tasks.js';
import { SubscriptionWakeUps } from './subscription-wake-ups.js';
import { TaskActivityRelay } from './task-activity-relay.js';
import { PushTurnsProcessor } from './processors/push-turns.processor.js';
import { SessionTasksProcessor } from './processors/session-tasks.processor.js';
import { SessionTranscriptsProcessor } from './processors/session-transcripts.processor.js';
import { TriggerDeliveriesProcessor } from './processors/trigger-deliveries.processor.js';

const queues = [
  sessionsTranscriptsJobs.projectSessionTranscript,
  sessionsStreamsJobs.startPushTurn,
  sessionsTriggersJobs.reconcileTriggerDelivery,
  sessionsSharingJobs.stopTasks,
].map(({ queue }) => queue);

/** Jobs in, service calls out, and the tasks that recur. Over HTTP there are only probes and metrics. */
@Module({})
export class WorkersModule {
  static forRoot(config: WorkersConfig): DynamicModule {
    return {
      module: WorkersModule,
      imports: [
        TelemetryModule.forRoot({ app: 'workers', logLevel: config.LOG_LEVEL, pretty: config.LOG_PRETTY }),
        PostgresModule.forRoot(
          { url: config.DATABASE_URL, poolSize: config.POSTGRES_POOL_SIZE, applicationName: 'holdfast-workers' },
          persistence,
        ),
        SignalsModule.forRoot({ postgresUrl: config.directUrl, redisUrl: config.REDIS_URL }),
        QueueModule.forRoot({ postgresUrl: config.directUrl, redisUrl: config.REDIS_URL, queues }),
        BlobsModule.forRoot(config.blobs),
        AuthModule.forRoot(),
        HttpModule.forRoot({ healthChecks: [DatabaseHealthCheck, BlobStoreHealthCheck] }),
        SessionsModule.forRoot(
          config.streams,
          { ...DEFAULT_DURABLE_STREAMS_CONFIG, allowLoopbackWebhooks: config.WEBHOOK_ALLOW_LOOPBACK },
          config.push,
          DEFAULT_NATIVE_TRANSCRIPTS_CONFIG,
          readRedactionRules(config.REDACTION_RULES),
        ),
      ],
      providers: [
        { provide: LogMaintenanceConfig, useValue: { retentionDays: config.LOG_RETENTION_DAYS } },
        { provide: RetentionConfig, useValue: { deliveryDays: config.DELIVERY_RETENTION_DAYS } },
        LogMaintenance,
        OutboxRelay,
        RecurringTasks,
        SubscriptionWakeUps,
        TaskActivityRelay,
        SessionTranscriptsProcessor,
        PushTurnsProcessor,
        TriggerDeliveriesProcessor,
        SessionTasksProcessor,
      ],
    };
  }
}

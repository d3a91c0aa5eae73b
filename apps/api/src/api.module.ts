import { Module, type DynamicModule } from '@nestjs/common';
import { AuthModule } from '@holdfast/platform-auth';
import { BlobsModule } from '@holdfast/platform-blobs';
import { BlobStoreHealthCheck, DatabaseHealthCheck, HttpModule } from '@holdfast/platform-http';
import { PostgresModule } from '@holdfast/platform-postgres';
import { QueueModule } from '@holdfast/platform-queue';
import { SignalsModule } from '@holdfast/platform-signals';
import { TelemetryModule } from '@holdfast/platform-telemetry';
import { persistence, SessionsModule } from '@holdfast/sessions';
import { readRedactionRules } from '@holdfast/sessions-transcripts';
import type { ApiConfig } from './config.js';
import { AgentsController } from './controllers/agents.controller.js';
import { LogSubscriptionsController } from './controllers/log-subscriptions.controller.js';
import { NativeTranscriptsController } from './controllers/native-transcripts.controller.js';
import { ProjectController } from './controllers/project.controller.js';
import { SessionInboxController } from './controllers/session-inbox.controller.js';
import { SessionInteractionsController } from './controllers/session-interactions.controller.js';
import { SessionLogController } from './controllers/session-log.controller.js';
import { SessionParticipantsController } from './controllers/session-participants.controller.js';
import { SessionQuestionsController } from './controllers/session-questions.controller.js';
import { SessionRunnersController } from './controllers/session-runners.controller.js';
import { SessionSharesController } from './controllers/session-shares.controller.js';
import { SessionStreamsController } from './controllers/session-streams.controller.js';
import { SessionWatchController } from './controllers/session-watch.controller.js';
import { SessionTaskRunsController } from './controllers/session-task-runs.controller.js';
import { SessionTaskMessagesController } from './controllers/session-task-messages.controller.js';
import { SessionTasksController } from './controllers/session-tasks.controller.js';
import { SessionTranscriptsController } from './controllers/session-transcripts.controller.js';
import { SessionsController } from './controllers/sessions.controller.js';
import { TriggerDeliveriesController } from './controllers/trigger-deliveries.controller.js';
import { ApiDirectRoutes } from './direct-routes.js';
import { logProviders } from './log/log.providers.js';
import { NativeBodies } from './native/native-bodies.js';
import { NativeRoutes } from './native/native-routes.js';

/** The gateway: HTTP in, DTO out. */
@Module({})
export class ApiModule {
  static forRoot(config: ApiConfig): DynamicModule {
    return {
      module: ApiModule,
      imports: [
        TelemetryModule.forRoot({ app: 'api', logLevel: config.LOG_LEVEL, pretty: config.LOG_PRETTY }),
        PostgresModule.forRoot(
          { url: config.DATABASE_URL, poolSize: config.POSTGRES_POOL_SIZE, applicationName: 'holdfast-api' },
          persistence,
        ),
        SignalsModule.forRoot({ postgresUrl: config.directUrl, redisUrl: config.REDIS_URL }),
        QueueModule.forRoot({ postgresUrl: config.directUrl, redisUrl: config.REDIS_URL, queues: [] }),
        BlobsModule.forRoot(config.blobs),
        AuthModule.forRoot(),
        HttpModule.forRoot({ healthChecks: [DatabaseHealthCheck, BlobStoreHealthCheck] }),
        SessionsModule.forRoot(
          config.streams,
          config.log,
          config.push,
          config.nativeTranscripts,
          readRedactionRules(config.REDACTION_RULES),
        ),
      ],
      controllers: [
        // Before SessionsController, whose `:session_id` would take their paths.
        SessionStreamsController,
        SessionInboxController,
        SessionWatchController,
        SessionInteractionsController,
        SessionParticipantsController,
        SessionTasksController,
        SessionTaskMessagesController,
        SessionTranscriptsController,
        SessionSharesController,
        NativeTranscriptsController,
        SessionRunnersController,
        SessionQuestionsController,
        SessionTaskRunsController,
        AgentsController,
        ProjectController,
        TriggerDeliveriesController,
        SessionsController,
        SessionLogController,
        LogSubscriptionsController,
      ],
      providers: [...logProviders(config.logOverHttp), NativeBodies, NativeRoutes, ApiDirectRoutes],
    };
  }
}

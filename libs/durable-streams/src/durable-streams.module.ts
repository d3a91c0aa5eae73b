import { Module, type DynamicModule } from '@nestjs/common';
import { AppendQueue } from './append/append-queue.js';
import { KnownLogs } from './append/known-logs.js';
import { LogService } from './append/log.service.js';
import { DurableStreamsConfig } from './durable-streams.config.js';
import { LogLifecycleRepository } from './lifecycle/log-lifecycle.repository.js';
import { LogLifecycle } from './lifecycle/log-lifecycle.service.js';
import { LogHub } from './live/log-hub.js';
import { LogViewer } from './live/log-viewer.js';
import { LogWatcher } from './live/log-watcher.js';
import { LogRepository } from './log.repository.js';
import { ExpiredLogs } from './maintenance/expired-logs.js';
import { LogCompactor } from './maintenance/log-compactor.js';
import { LogGarbage } from './maintenance/log-garbage.js';
import { LogRetention } from './maintenance/log-retention.js';
import { LogReader } from './read/log-reader.js';
import { SegmentCache } from './read/segment-cache.js';
import { LinkedStreamsRepository } from './subscriptions/linked-streams.repository.js';
import { SigningKeys } from './subscriptions/signing-keys.js';
import { SubscriptionDeliveries } from './subscriptions/subscription-deliveries.js';
import { SubscriptionLinks } from './subscriptions/subscription-links.js';
import { SubscriptionWaker } from './subscriptions/subscription-waker.js';
import { SubscriptionWakes } from './subscriptions/subscription-wakes.js';
import { SubscriptionsRepository } from './subscriptions/subscriptions.repository.js';
import { SubscriptionsService } from './subscriptions/subscriptions.service.js';
import { WakeTokens } from './subscriptions/wake-tokens.js';
import { WebhookClient } from './subscriptions/webhook-client.js';

const inner = [
  AppendQueue,
  KnownLogs,
  SegmentCache,
  LogHub,
  LogLifecycleRepository,
  SubscriptionLinks,
  SubscriptionsRepository,
  LinkedStreamsRepository,
  WakeTokens,
  WebhookClient,
];
const maintenance = [LogCompactor, LogRetention, ExpiredLogs, LogGarbage];
const subscriptions = [SubscriptionsService, SubscriptionWakes, SubscriptionWaker, SubscriptionDeliveries, SigningKeys];
const exported = [
  ...maintenance,
  ...subscriptions,
  LogService,
  LogLifecycle,
  LogReader,
  LogRepository,
  LogViewer,
  LogWatcher,
];

/** The log: Durable Streams on PostgreSQL. One per process, so that all of it shares heads, cache and viewers. */
@Module({})
export class DurableStreamsModule {
  static forRoot(config: DurableStreamsConfig): DynamicModule {
    return {
      module: DurableStreamsModule,
      global: true,
      providers: [{ provide: DurableStreamsConfig, useValue: config }, ...inner, ...exported],
      exports: [...exported, DurableStreamsConfig],
    };
  }
}

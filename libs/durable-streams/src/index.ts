export type { AppendOutcome, LogAppend, LogAuthor } from './append/log-append.js';
export { LogService } from './append/log.service.js';
export { elementsOf, MAX_MESSAGE_BYTES, readJsonMessages } from './content/json-messages.js';
export { splitMessages } from './content/messages.js';
export { DEFAULT_DURABLE_STREAMS_CONFIG, DurableStreamsConfig } from './durable-streams.config.js';
export {
  AppendBacklogFull,
  AppendMalformed,
  ContentTypeMismatch,
  LiveModeUnknown,
  LiveOffsetMissing,
  LogUnavailable,
  MessageTooLarge,
  OffsetBeyondTail,
  OffsetGone,
  OffsetMalformed,
  ProducerEpochMustStart,
  ProducerEpochStale,
  ProducerSequenceGap,
  StreamClosed,
  StreamCreateInvalid,
  StreamDeleted,
  StreamExists,
  StreamNotFound,
  StreamPathBlocked,
  StreamPathInvalid,
  StreamReserved,
  StreamSeqStale,
  TooManyViewers,
  TurnMismatch,
} from './durable-streams.errors.js';
export { DurableStreamsModule } from './durable-streams.module.js';
export type { LogCreate, LogFork, LogLifetime } from './lifecycle/log-create.js';
export { LogLifecycle } from './lifecycle/log-lifecycle.service.js';
export { WAKES_CHANNEL } from './live/log-hub.js';
export type { View, ViewEnd, ViewerSink, ViewFrames } from './live/following.js';
export { LogViewer } from './live/log-viewer.js';
export type { PollAnswer } from './live/log-viewer.js';
export { LogWatcher } from './live/log-watcher.js';
export { sseEncodingOf, SseFrame } from './live/sse-frame.js';
export { isJson, isSameContentType, normalizeContentType } from './log-head.js';
export type { LogHead, LogKey, Producer } from './log-head.js';
export { LogRepository } from './log.repository.js';
export { ExpiredLogs } from './maintenance/expired-logs.js';
export { LogCompactor } from './maintenance/log-compactor.js';
export { LogGarbage } from './maintenance/log-garbage.js';
export { LogRetention } from './maintenance/log-retention.js';
export { nextCursor } from './offsets/log-cursor.js';
export { formatOffset, offsetAt } from './offsets/log-offset.js';
export { durableStreamsPersistence } from './persistence.js';
export { LogReader, pageBytes } from './read/log-reader.js';
export type { LogPage } from './read/log-reader.js';
export type { LogSubscription } from './subscriptions/dto/log-subscription.dto.js';
export {
  SUBSCRIPTION_ID,
  LogSubscriptionCreate,
  LogSubscriptionPath,
  LogSubscriptionQuery,
  LogSubscriptionStreams,
} from './subscriptions/dto/log-subscription.dto.js';
export type { SubscriptionAcked, SubscriptionClaim } from './subscriptions/dto/subscription-wake.dto.js';
export {
  SubscriptionAck,
  SubscriptionClaimCreate,
  SubscriptionRelease,
} from './subscriptions/dto/subscription-wake.dto.js';
export { ANNOUNCED_S, RETIRED_AFTER_S, SigningKeys } from './subscriptions/signing-keys.js';
export type { SigningJwk } from './subscriptions/signing-keys.js';
export { SubscriptionDeliveries } from './subscriptions/subscription-deliveries.js';
export type { CallOutcome } from './subscriptions/subscription-deliveries.js';
export { SubscriptionWaker } from './subscriptions/subscription-waker.js';
export { SubscriptionWakes } from './subscriptions/subscription-wakes.js';
export { SubscriptionNotFound, WakeTokenInvalid } from './subscriptions/subscriptions.errors.js';
export { SubscriptionsService } from './subscriptions/subscriptions.service.js';
export type { ShownSubscription } from './subscriptions/subscriptions.service.js';

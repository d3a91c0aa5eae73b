import type { OffsetSpace } from '../offsets/log-offset.js';

/** Names a subscription: the caller's id is unique only within its project. */
export interface SubscriptionKey {
  project_id: string;
  subscription_id: string;
}

export type SubscriptionType = 'webhook' | 'pull-wake';

/** `waking`: a worker has to be told. `held`: a worker has been told, and its lease runs. */
export type WakePhase = 'idle' | 'waking' | 'held';

/** What is under way for a subscription. */
export interface WakeState {
  /** Grows by one with every wake. */
  generation: number;
  phase: WakePhase;
  wake_id: string | null;
  /** Who claimed it; of pull-wake only. */
  holder: string | null;
  /** Attempts to tell a worker since one succeeded. */
  attempts: number;
  /** Why the last one failed. */
  last_error: string | null;
}

/** One row of `log_subscriptions`. */
export interface Subscription extends WakeState {
  project_id: string;
  id: string;
  /** Never used again, even when a subscription is made again under the same id. */
  number: number;
  type: SubscriptionType;
  pattern: string | null;
  webhook_url: string | null;
  wake_stream: string | null;
  lease_ttl_ms: number;
  description: string | null;
  /** Scheme and host by which its maker reached the api. */
  base_url: string;
  config_hash: string;
  due_at: Date | null;
  /** Whether `due_at` has passed, by the database's clock. */
  is_due: boolean;
  created_at: Date;
}

/** A stream of a subscription, and where both are. */
export type LinkedStream = {
  path: string;
  link_type: 'explicit' | 'glob';
  acked: number;
  /** Equal to `acked` while there is no stream. */
  tail: number;
} & (({ log_id: number } & OffsetSpace) | /** While there is no stream at the path. */ { log_id: null });

/** Where a subscription's part of the api is served. */
export const SUBSCRIPTIONS_PATH = '/v1/stream/__ds';

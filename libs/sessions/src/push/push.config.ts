import type { OutboundReach } from '@holdfast/platform-outbound';

/** What an operator decides about push targets. */
export abstract class PushConfig {
  /** How far their URLs may lead. */
  abstract readonly reach: OutboundReach;
  /** How long a service may take to accept a turn, in seconds; never more than half a lease. */
  abstract readonly acceptSeconds: number;
}

export const DEFAULT_PUSH_CONFIG: PushConfig = { reach: 'public', acceptSeconds: 10 };

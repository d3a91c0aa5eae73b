import type { OutboundReach } from '@holdfast/platform-outbound';

/** What an operator decides about agents. */
export abstract class AgentsConfig {
  /** How far the URL of a push target may lead. */
  abstract readonly pushReach: OutboundReach;
}

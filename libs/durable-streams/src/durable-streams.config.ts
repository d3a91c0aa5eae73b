/** What one process may use for the log. */
export abstract class DurableStreamsConfig {
  /** Bytes of messages that it keeps in memory, of all logs together. */
  abstract readonly cacheBytes: number;
  /** For development: webhooks may go to `http://localhost` and `http://127.0.0.0/8`. */
  abstract readonly allowLoopbackWebhooks: boolean;
}

export const DEFAULT_DURABLE_STREAMS_CONFIG: DurableStreamsConfig = {
  cacheBytes: 64 * 1024 * 1024,
  allowLoopbackWebhooks: false,
};

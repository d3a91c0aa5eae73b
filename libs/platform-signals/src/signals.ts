/** The longest payload that travels, in bytes of its JSON text. A longer one arrives as `''`. */
export const MAX_PAYLOAD_BYTES = 4_096;

/**
 * Hints between the processes of one installation: "look there". A hint may be lost and may come twice, and nothing may
 * depend on one: whoever waits for it looks at intervals too, only less often.
 *
 * A process hears its own signals the way all others do: through the server.
 */
export abstract class Signals {
  /**
   * Tells all processes, after a few milliseconds in which equal signals become one. Call it after the commit that it
   * tells of. Never throws and never waits; while the server is away, signals are dropped, counted and logged.
   *
   * @param channel At most 512 bytes. It carries the project (law 6) unless it is of the installation itself.
   */
  abstract publish(channel: string, payload: string): void;

  /**
   * Hears a channel until the returned function is called. Resolves when the subscription is live; during an outage it
   * resolves at once, and `onGap` tells when it has become live. So subscribe first, then read.
   */
  abstract subscribe(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>>;

  /** Called when signals are live again after they were not: something may have been missed. Returns how to stop. */
  abstract onGap(listener: () => void): () => void;
}

/** The times of turns and leases, in seconds. They are the database's clock's, except where they say otherwise. */
export abstract class StreamsConfig {
  /** How long a runner owns a turn after a beat. */
  abstract readonly leaseSeconds: number;
  /** How often a runner beats. */
  abstract readonly beatSeconds: number;
  /** After how long without a beat an agent is ended, on the runner's clock; less than the lease. */
  abstract readonly watchdogSeconds: number;
  /** How long a turn that was asked to stop may take before it is ended by force. */
  abstract readonly stoppingSeconds: number;
}

export const DEFAULT_STREAMS_CONFIG: StreamsConfig = {
  leaseSeconds: 30,
  beatSeconds: 5,
  watchdogSeconds: 20,
  stoppingSeconds: 5,
};

/** The times of turns and leases, in seconds of the database's clock except where they say otherwise, and their limits. */
export abstract class StreamsConfig {
  /** How long a runner owns a turn after a beat. */
  abstract readonly leaseSeconds: number;
  /** How often a runner beats. */
  abstract readonly beatSeconds: number;
  /** After how long without a beat an agent is ended, on the runner's clock; less than the lease. */
  abstract readonly watchdogSeconds: number;
  /** How long a turn that was asked to stop may take before it is ended by force. */
  abstract readonly stoppingSeconds: number;
  /** How many turns of one project may be live at once, before starts are refused. */
  abstract readonly maxLiveTurnsPerProject: number;
}

export const DEFAULT_STREAMS_CONFIG: StreamsConfig = {
  leaseSeconds: 30,
  beatSeconds: 5,
  watchdogSeconds: 20,
  stoppingSeconds: 5,
  maxLiveTurnsPerProject: 1000,
};

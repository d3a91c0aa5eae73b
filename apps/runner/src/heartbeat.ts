import type { Logger } from 'pino';
import { pause } from './backoff.js';
import { ControlPlaneUnavailable, type ControlPlane } from './control-plane.js';
import type { HostedTurns } from './hosted-turns.js';

export interface BeatTimings {
  beatMs: number;
  watchdogMs: number;
}

/** Renews the leases of all hosted turns, in one request per beat. */
export class Heartbeat {
  private wake = new AbortController();
  private waiting: (() => void)[] = [];

  constructor(
    private readonly plane: ControlPlane,
    private readonly replicaId: string,
    private readonly turns: HostedTurns,
    private readonly timings: BeatTimings,
    private readonly log: Logger,
  ) {}

  /** Beats until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.wake.abort(), { once: true });
    while (!signal.aborted) {
      this.wake = new AbortController();
      if (await this.beat()) await pause(this.timings.beatMs, this.wake.signal);
      // Sooner than a beat, because the watchdogs run.
      else await pause(this.timings.beatMs / 5, signal);
    }
  }

  /** Resolves when a beat that began after this call succeeded. */
  beatNow(): Promise<void> {
    const beaten = new Promise<void>((resolve) => this.waiting.push(resolve));
    this.wake.abort();
    return beaten;
  }

  private async beat(): Promise<boolean> {
    const hosts = this.turns.all;
    const waiting = this.waiting;
    this.waiting = [];
    if (hosts.length > 0 && !(await this.renew(hosts))) {
      this.waiting.push(...waiting);
      return false;
    }
    for (const resolve of waiting) resolve();
    return true;
  }

  private async renew(hosts: HostedTurns['all']): Promise<boolean> {
    // Monotonic, and taken before the request: how long it took counts against the lease.
    const sentAt = performance.now();
    try {
      const results = await this.plane.heartbeat(
        { replica_id: this.replicaId, turns: hosts.map((host) => host.beat) },
        // Shorter than the beat, so that one hanging connection does not cost several beats.
        AbortSignal.timeout(this.timings.beatMs * 0.8),
      );
      const leftMs = this.timings.watchdogMs - (performance.now() - sentAt);
      for (const { turn_id, is_current } of results) {
        const host = hosts.find((candidate) => candidate.key.turn_id === turn_id);
        if (!is_current) host?.lose();
        else if (leftMs > 0) host?.extend(leftMs);
      }
      return true;
    } catch (error) {
      if (!(error instanceof ControlPlaneUnavailable)) this.log.error({ err: error }, 'a beat was refused');
      return false;
    }
  }
}

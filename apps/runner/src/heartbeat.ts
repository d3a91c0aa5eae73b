import type { Logger } from 'pino';
import { pause } from './backoff.js';
import type { CommandDesk } from './command-desk.js';
import { ControlPlaneUnavailable, type BeatAnswer, type ControlPlane } from './control-plane.js';
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
    private readonly commands: CommandDesk,
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
      const answer = await this.plane.heartbeat(
        {
          replica_id: this.replicaId,
          turns: hosts.map((host) => host.beat),
          control_offset: this.commands.offset,
        },
        // Shorter than the beat, so that one hanging connection does not cost several beats.
        AbortSignal.timeout(this.timings.beatMs * 0.8),
      );
      this.take(answer, hosts, this.timings.watchdogMs - (performance.now() - sentAt));
      return true;
    } catch (error) {
      if (!(error instanceof ControlPlaneUnavailable)) this.log.error({ err: error }, 'a beat was refused');
      return false;
    }
  }

  private take({ turns, commands }: BeatAnswer, hosts: HostedTurns['all'], leftMs: number): void {
    for (const { turn_id, epoch, is_current, error } of turns) {
      const host = hosts.find(({ key }) => key.turn_id === turn_id && key.epoch === epoch);
      if (error) this.log.error({ turn_id, code: error.code }, `not all of a beat was taken: ${error.message}`);
      if (is_current && leftMs > 0) host?.extend(leftMs);
      if (!is_current && error) host?.beatRefused();
      if (!is_current && !error) host?.lose();
    }
    // The control log itself may be out of reach while beats are not.
    for (const command of commands) this.commands.take(command);
  }
}

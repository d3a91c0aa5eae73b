import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { Backoff } from './backoff.js';
import { ControlPlaneUnavailable, type ControlPlane } from './control-plane.js';
import type { Heartbeat } from './heartbeat.js';
import type { HostedTurns } from './hosted-turns.js';

const waitSeconds = 20;
const maxClaim = 100;

/** Claims turns for as long as there is capacity to host them. */
export class ClaimLoop {
  constructor(
    private readonly plane: ControlPlane,
    private readonly replicaId: string,
    private readonly capacity: number,
    private readonly turns: HostedTurns,
    private readonly heartbeat: Heartbeat,
    private readonly log: Logger,
  ) {}

  /** Claims until `signal` aborts. A claim without an answer is repeated as the same one: it may have granted turns. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    let claimId = randomUUID();
    while (!signal.aborted) {
      const free = this.capacity - this.turns.size;
      if (free <= 0) {
        await this.turns.changed();
        continue;
      }
      try {
        const granted = await this.claim(claimId, Math.min(free, maxClaim), signal);
        claimId = randomUUID();
        // An api that is draining answers at once, with nothing.
        if (granted) backoff.reset();
        else await backoff.wait(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ControlPlaneUnavailable)) this.log.error({ err: error }, 'a claim was refused');
        await backoff.wait(signal, error instanceof ControlPlaneUnavailable ? error.retryAfterMs : 0);
      }
    }
  }

  /** False when the api did not wait for work. */
  private async claim(claim_id: string, capacity: number, signal: AbortSignal): Promise<boolean> {
    const askedAt = performance.now();
    const claim = { replica_id: this.replicaId, claim_id, capacity, wait_seconds: waitSeconds };
    const grants = await this.plane.claim(claim, signal);
    for (const grant of grants) {
      this.log.info({ session_id: grant.session_id, turn_id: grant.turn_id, harness: grant.harness }, 'turn claimed');
      this.turns.start(grant);
    }
    // A grant may have waited while this process was frozen: the first beat tells whether it still holds.
    if (grants.length > 0) void this.heartbeat.beatNow();
    return grants.length > 0 || performance.now() - askedAt > 1_000;
  }
}

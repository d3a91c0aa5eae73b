import type { Logger } from 'pino';
import { untilAvailable } from './backoff.js';
import { ControlPlaneRefusal, type ControlPlane, type TurnEnd, type TurnKey } from './control-plane.js';
import { storableStart } from './storable.js';

/** A turn that another runner shall go on with, and its end when the api does not take it back. */
export interface HandOver {
  reason: 'runner_stopped' | 'lost_contact';
  otherwise: TurnEnd;
}

/** Tells the api how a turn ended here, for as long as the turn is this runner's. */
export class TurnEnding {
  constructor(
    private readonly turn: TurnKey,
    private readonly plane: ControlPlane,
    private readonly lost: AbortSignal,
    private readonly log: Logger,
  ) {}

  async tell(end: TurnEnd | HandOver): Promise<void> {
    if ('reason' in end) await this.handOver(end);
    else await this.report(end);
  }

  private async report(end: TurnEnd): Promise<void> {
    try {
      await this.complete(end);
    } catch (error) {
      if (!(error instanceof ControlPlaneRefusal)) throw error;
      this.log.error({ err: error, status: end.status }, 'the end of the turn was refused');
      // Without any end it would be taken for lost, and done again.
      await this.complete(endRefused());
    }
  }

  private async complete(end: TurnEnd): Promise<void> {
    await untilAvailable(() => this.plane.complete({ ...this.turn, ...end }), this.lost);
    this.log.info({ status: end.status, stop_reason: end.stop_reason, code: end.error?.code }, 'turn ended');
  }

  /** Without an answer of the api for as long as the turn is this runner's: nobody else could go on with it. */
  private async handOver({ reason, otherwise }: HandOver): Promise<void> {
    try {
      await untilAvailable(() => this.plane.handOver(this.turn, reason), this.lost);
      this.log.info({ reason }, 'turn handed over');
    } catch (error) {
      if (!(error instanceof ControlPlaneRefusal)) throw error;
      this.log.warn({ err: error }, 'the turn could not be handed over');
      await this.report(otherwise);
    }
  }
}

export function logRefused(refusal: Error): TurnEnd {
  return {
    status: 'failed',
    error: {
      code: 'log_write_refused',
      message: storableStart(`The session's log did not take the agent's output: ${refusal.message}`, 4_000),
    },
  };
}

export function runnerStopped(): HandOver {
  const error = { code: 'runner_stopped', message: 'The runner that hosted this turn was stopped.' };
  return { reason: 'runner_stopped', otherwise: { status: 'failed', error } };
}

function endRefused(): TurnEnd {
  const message = "The api refused how the turn ended; the runner's log says why. What the agent did is in the log.";
  return { status: 'failed', error: { code: 'end_refused', message } };
}

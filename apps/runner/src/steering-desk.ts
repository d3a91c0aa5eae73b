import type { Logger } from 'pino';
import { Backoff, untilAvailable } from './backoff.js';
import type { ControlCommand, ControlPlane, TurnKey } from './control-plane.js';
import type { DrivenAgent } from './driven-agent.js';

export type SteerCommand = ControlCommand & { type: 'steer' };

/** The prompt that an agent works on now. */
interface RunningPrompt {
  agent: DrivenAgent;
  /** Rejects when the agent has ended and all that it said before has been heard. */
  gone: Promise<never>;
}

/**
 * Hands further prompts to the agent of a running turn, and tells the api of those that it took. Whatever is not handed
 * in waits on in the session's inbox for a turn of its own.
 */
export class SteeringDesk {
  private running: RunningPrompt | undefined;
  private isClosed = false;
  private readonly handing: Promise<void>[] = [];
  /** The api says that the turn runs before the agent has its prompt. */
  private readonly early: SteerCommand[] = [];

  constructor(
    private readonly turn: TurnKey,
    private readonly plane: ControlPlane,
    private readonly lost: AbortSignal,
    private readonly log: Logger,
  ) {}

  take(command: SteerCommand): void {
    if (this.isClosed) return;
    if (this.running) this.handing.push(this.handIn(command, this.running));
    else this.early.push(command);
  }

  /** The agent has been sent its prompt. */
  open(running: RunningPrompt): void {
    this.running = running;
    for (const command of this.early.splice(0)) this.take(command);
  }

  /** The prompt is over, or is to end: nothing more is handed in. */
  close(): void {
    this.isClosed = true;
  }

  /** Resolves when the api knows of every prompt that the agent took. */
  async settled(): Promise<void> {
    await Promise.all(this.handing);
  }

  private async handIn({ prompt_turn_id, prompt }: SteerCommand, running: RunningPrompt): Promise<void> {
    try {
      if (!(await Promise.race([this.isTaken(prompt, running), running.gone]))) return;
      await untilAvailable(() => this.plane.merge(this.turn, prompt_turn_id), this.lost);
      this.log.info({ prompt_turn_id }, 'prompt handed to the running agent');
    } catch (error) {
      this.log.warn({ prompt_turn_id, err: error }, 'a prompt was not merged into the running turn');
    }
  }

  private async isTaken(prompt: string, { agent }: RunningPrompt): Promise<boolean> {
    const backoff = new Backoff(50, 1_000);
    // Also a busy agent may not have begun its prompt yet; when that is over, nothing is tried any more.
    while (agent.takesSteering && !this.isClosed && !this.lost.aborted) {
      if (await agent.steer(prompt)) return true;
      await backoff.wait(this.lost);
    }
    return false;
  }
}

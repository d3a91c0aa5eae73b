import { Logger } from '@nestjs/common';

/** One round. It ends early when `stopping` is aborted, and bounds its own waits: a stop waits for it. */
export type PeriodicWork = (stopping: AbortSignal) => Promise<unknown>;

/**
 * Runs work at intervals, counted from the end of the round before, so that rounds never overlap in this process. Other
 * processes may run the same task at the same time. A round that fails is logged, and the next one comes as usual.
 */
export class PeriodicTask {
  private readonly logger = new Logger('PeriodicTask');
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;
  private isWoken = false;

  constructor(
    private readonly name: string,
    private readonly every_ms: number,
    private readonly work: PeriodicWork,
  ) {}

  /** The first round begins at once. */
  start(): void {
    this.wake();
  }

  /** Runs a round now, or one more right after the present one. Does nothing once stopped. */
  wake(): void {
    if (this.stopping.signal.aborted) return;
    this.isWoken = this.round !== undefined;
    this.round ??= this.runRound();
  }

  /** Resolves when no round is at work any more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    clearTimeout(this.timer);
    await this.round;
  }

  private async runRound(): Promise<void> {
    clearTimeout(this.timer);
    try {
      await this.work(this.stopping.signal);
    } catch (error) {
      this.logger.error({ event: 'task.failed', task: this.name, err: error });
    }
    this.round = undefined;
    if (this.stopping.signal.aborted) return;
    if (this.isWoken) this.wake();
    else this.timer = setTimeout(() => this.wake(), this.every_ms);
  }
}

/** Measures how long an agent works: the time in which it waits for a person does not count. */
export class TurnClock {
  private leftMs: number;
  private pauses = 0;
  private isOver = false;
  private running: { since: number; timer: NodeJS.Timeout } | undefined;

  constructor(
    limitMs: number,
    /** Called once, when the time is over. */
    private readonly onOver: () => void,
  ) {
    this.leftMs = limitMs;
  }

  start(): void {
    if (this.isOver) return;
    // Monotonic: a changed wall clock changes nothing.
    this.running = { since: performance.now(), timer: setTimeout(this.onOver, this.leftMs) };
  }

  /** Counts: as many resumes as pauses make it run again. */
  pause(): void {
    this.pauses += 1;
    this.halt();
  }

  resume(): void {
    this.pauses -= 1;
    if (this.pauses === 0) this.start();
  }

  /** For good. */
  stop(): void {
    this.isOver = true;
    this.halt();
  }

  private halt(): void {
    if (!this.running) return;
    clearTimeout(this.running.timer);
    this.leftMs -= performance.now() - this.running.since;
    this.running = undefined;
  }
}

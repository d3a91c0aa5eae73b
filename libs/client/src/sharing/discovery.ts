import type { Clock } from './clock.js';
import { discoveryStep, type DiscoveryEvent, type DiscoveryState, type DiscoveryStep } from './discovery.table.js';

/** What the newest list of agents is like. */
export type Listed = 'listed_none' | 'listed_working' | 'listed_resting';

export interface DiscoveryTasks<List> {
  /** Asks for the list. */
  fetch: (signal: AbortSignal) => Promise<List>;
  /** Takes it in; not called for a list that a newer one has overtaken. */
  apply: (list: List) => Promise<Listed> | Listed;
  /** Whether the activity log is read. */
  isHeld: () => boolean;
  /** Told why a list did not come, which is asked for again. */
  onFailure?: (error: unknown) => void;
}

/** Runs the table of discovery.table.ts. */
export class Discovery<List> {
  private now: DiscoveryState = 'unresolved';
  private generation = 0;
  private timer = new AbortController();
  private readonly closing = new AbortController();
  /** How many lists were asked for. */
  fetches = 0;

  constructor(
    private readonly tasks: DiscoveryTasks<List>,
    private readonly clock: Clock,
  ) {}

  get state(): DiscoveryState {
    return this.now;
  }

  /** Resolves when what it set going has come to an end, but for intervals. */
  async tell(event: DiscoveryEvent): Promise<void> {
    const step = this.closing.signal.aborted ? undefined : discoveryStep(this.now, event, this.tasks.isHeld());
    if (step) await this.take(step);
  }

  close(): void {
    this.timer.abort();
    this.closing.abort();
  }

  private take({ state, then }: DiscoveryStep): Promise<void> | void {
    this.timer.abort();
    this.now = state;
    if (then?.act === 'wait') void this.tellAfter(then.ms);
    if (then?.act === 'fetch') return this.fetch();
  }

  private async tellAfter(ms: number): Promise<void> {
    const { signal } = (this.timer = new AbortController());
    await this.clock.wait(ms, signal);
    if (!signal.aborted) await this.tell('due');
  }

  private async fetch(): Promise<void> {
    const generation = ++this.generation;
    this.fetches += 1;
    const outcome = await this.list(generation);
    if (generation === this.generation) await this.tell(outcome);
  }

  private async list(generation: number): Promise<Listed | 'list_failed'> {
    try {
      const list = await this.tasks.fetch(this.closing.signal);
      return generation === this.generation ? await this.tasks.apply(list) : 'listed_none';
    } catch (error) {
      if (generation === this.generation && !this.closing.signal.aborted) this.tasks.onFailure?.(error);
      return 'list_failed';
    }
  }
}

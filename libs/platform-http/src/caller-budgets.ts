/** Callers counted at a time; the ones whose window began first are forgotten first. */
const COUNTED_CALLERS = 20_000;

/** Counts what each caller spends in windows of its own that begin with its first request. */
export class CallerBudgets {
  private readonly windows = new Map<string, { spent: number; began: number }>();

  constructor(private readonly windowMs: number) {}

  /** What `caller` has spent with this in its present window, and how many milliseconds of that are left. */
  spend(caller: string): { current: number; ttl: number } {
    const now = performance.now();
    const window = this.windows.get(caller);
    if (!window || window.began + this.windowMs <= now) return this.begin(caller, now);
    window.spent += 1;
    return { current: window.spent, ttl: window.began + this.windowMs - now };
  }

  private begin(caller: string, now: number): { current: number; ttl: number } {
    this.windows.delete(caller);
    this.windows.set(caller, { spent: 1, began: now });
    if (this.windows.size > COUNTED_CALLERS) this.windows.delete(this.windows.keys().next().value!);
    return { current: 1, ttl: this.windowMs };
  }
}

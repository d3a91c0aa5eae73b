/** Hands items from those who make them to the one who reads them; who makes too many waits. */
export class Outlet<Item> {
  private readonly items: Item[] = [];
  private closed: { error?: unknown } | undefined;
  private wakeReader = () => {};
  private readonly blocked: (() => void)[] = [];

  constructor(private readonly capacity: number) {}

  /** Resolves when there is room for a next one. After the end items are dropped. */
  async put(item: Item): Promise<void> {
    if (this.closed) return;
    this.items.push(item);
    this.wakeReader();
    if (this.items.length >= this.capacity) await new Promise<void>((resolve) => this.blocked.push(resolve));
  }

  /** Nothing follows what is there already; with an error, that is thrown then. */
  close(ending: { error?: unknown } = {}): void {
    this.closed ??= ending;
    this.wakeReader();
    this.release();
  }

  async *read(): AsyncGenerator<Item, void, undefined> {
    for (;;) {
      while (this.items.length > 0) {
        yield this.items.shift()!;
        if (this.items.length < this.capacity) this.release();
      }
      if (this.closed) break;
      await new Promise<void>((resolve) => (this.wakeReader = resolve));
    }
    if ('error' in this.closed) throw this.closed.error;
  }

  private release(): void {
    for (const resolve of this.blocked.splice(0)) resolve();
  }
}

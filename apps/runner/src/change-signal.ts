/** Wakes everybody who waits for the next change. */
export class ChangeSignal {
  private waiting: (() => void)[] = [];

  next(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  tell(): void {
    for (const wake of this.waiting.splice(0)) wake();
  }
}

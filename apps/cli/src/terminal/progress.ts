import { clearLine, cursorTo } from 'node:readline';

const FIRST_MS = 1_000;
const NEXT_MS = { terminal: 1_000, elsewhere: 5_000 };

/** Says how far something is that takes longer than a second. */
export class Progress {
  private timer: NodeJS.Timeout;

  constructor(
    private readonly text: () => string,
    private readonly output: NodeJS.WriteStream = process.stderr,
  ) {
    this.timer = setTimeout(() => this.show(), FIRST_MS);
  }

  end(): void {
    clearTimeout(this.timer);
    this.clear();
  }

  private show(): void {
    this.clear();
    this.output.write(this.output.isTTY ? this.text() : `${this.text()}\n`);
    this.timer = setTimeout(() => this.show(), this.output.isTTY ? NEXT_MS.terminal : NEXT_MS.elsewhere);
  }

  private clear(): void {
    if (!this.output.isTTY) return;
    cursorTo(this.output, 0);
    clearLine(this.output, 0);
  }
}

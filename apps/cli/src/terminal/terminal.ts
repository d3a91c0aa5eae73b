import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline';

/** Where output goes and answers come from. While a question is open, whole lines go above it and the rest waits. */
export class Terminal {
  private prompt: Interface | undefined;
  private held = '';

  constructor(
    private readonly input: NodeJS.ReadStream,
    private readonly output: NodeJS.WriteStream,
  ) {}

  /** Whether somebody sits there who can be asked. */
  get isInteractive(): boolean {
    return this.input.isTTY === true && this.output.isTTY === true;
  }

  write(text: string): void {
    if (!text) return;
    if (!this.prompt) return void this.output.write(text);
    const waiting = this.held + text;
    const end = waiting.lastIndexOf('\n') + 1;
    this.held = waiting.slice(end);
    if (end === 0) return;
    this.clearPrompt();
    this.output.write(waiting.slice(0, end));
    this.prompt.prompt(true);
  }

  /** One typed line; undefined when `signal` aborts or the input ends before there is one. */
  async ask(question: string, signal: AbortSignal): Promise<string | undefined> {
    const prompt = createInterface({ input: this.input, output: this.output, prompt: question });
    // In raw mode the terminal sends Ctrl-C as a key.
    prompt.on('SIGINT', () => process.emit('SIGINT'));
    const end = () => prompt.close();
    signal.addEventListener('abort', end, { once: true });
    this.prompt = prompt;
    let answer: string | undefined;
    try {
      answer = await new Promise<string | undefined>((resolve) => {
        prompt.once('line', resolve);
        prompt.once('close', () => resolve(undefined));
        prompt.prompt();
        if (signal.aborted) prompt.close();
      });
      return answer;
    } finally {
      signal.removeEventListener('abort', end);
      prompt.close();
      this.prompt = undefined;
      if (answer === undefined) this.clearPrompt();
      this.output.write(this.held);
      this.held = '';
    }
  }

  private clearPrompt(): void {
    cursorTo(this.output, 0);
    clearLine(this.output, 0);
  }
}

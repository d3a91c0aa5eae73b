import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface Exchange {
  prompt: string;
  /** What was said, up to some 64 KiB, complete only once the turn has ended. */
  reply: string;
}

/** One line of the file. A prompt without the reply after it is one whose turn was killed. */
type Line = { session_id: string } | { prompt: string } | { reply: string } | { always_allowed: string };

/**
 * What is kept of one session, in `.scripted-agent/<session id>.jsonl` of its working directory. Lines are only ever
 * added; a last line that was cut off counts for nothing.
 */
export class Conversation {
  readonly exchanges: Exchange[] = [];
  /** Titles of the tool calls that are not asked for any more. */
  private readonly alwaysAllowed = new Set<string>();

  private constructor(
    readonly sessionId: string,
    readonly cwd: string,
  ) {}

  static async start(sessionId: string, cwd: string): Promise<Conversation> {
    const conversation = new Conversation(sessionId, cwd);
    await mkdir(dirname(conversation.file), { recursive: true });
    await conversation.keep({ session_id: sessionId });
    return conversation;
  }

  /** `undefined` when this working directory has no such session. */
  static async open(sessionId: string, cwd: string): Promise<Conversation | undefined> {
    // The id becomes a file name, and it is the client's.
    if (!/^[0-9a-f-]{36}$/.test(sessionId)) return undefined;
    const file = fileOf(sessionId, cwd);
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const conversation = new Conversation(sessionId, cwd);
    const [cutOff, ...whole] = text.split('\n').reverse();
    if (cutOff) await writeFile(file, text.slice(0, -cutOff.length));
    for (const line of whole.reverse()) conversation.take(JSON.parse(line) as Line);
    return conversation;
  }

  private get file(): string {
    return fileOf(this.sessionId, this.cwd);
  }

  begin(prompt: string): Exchange {
    const exchange = { prompt, reply: '' };
    this.exchanges.push(exchange);
    return exchange;
  }

  allowsAlways(title: string): boolean {
    return this.alwaysAllowed.has(title);
  }

  async allowAlways(title: string): Promise<void> {
    this.alwaysAllowed.add(title);
    await this.keep({ always_allowed: title });
  }

  async keep(line: Line): Promise<void> {
    await appendFile(this.file, `${JSON.stringify(line)}\n`);
  }

  private take(line: Line): void {
    if ('prompt' in line) this.begin(line.prompt);
    if ('always_allowed' in line) this.alwaysAllowed.add(line.always_allowed);
    const last = this.exchanges.at(-1);
    if ('reply' in line && last) last.reply = line.reply;
  }
}

function fileOf(sessionId: string, cwd: string): string {
  return join(cwd, '.scripted-agent', `${sessionId}.jsonl`);
}

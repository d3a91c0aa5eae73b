import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface Exchange {
  prompt: string;
  /** What was said, up to some 64 KiB, complete only once the turn has ended. */
  reply: string;
}

/** What is kept of one session, in `.scripted-agent/<session id>.json` of its working directory. */
export class Conversation {
  private constructor(
    readonly sessionId: string,
    readonly cwd: string,
    readonly exchanges: Exchange[],
    /** Titles of the tool calls that are not asked for any more. */
    private readonly alwaysAllowed: Set<string>,
  ) {}

  static async start(sessionId: string, cwd: string): Promise<Conversation> {
    const conversation = new Conversation(sessionId, cwd, [], new Set());
    await conversation.save();
    return conversation;
  }

  /** `undefined` when this working directory has no such session. */
  static async open(sessionId: string, cwd: string): Promise<Conversation | undefined> {
    // The id becomes a file name, and it is the client's.
    if (!/^[0-9a-f-]{36}$/.test(sessionId)) return undefined;
    const text = await readFile(fileOf(sessionId, cwd), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const { exchanges, always_allowed } = JSON.parse(text) as { exchanges: Exchange[]; always_allowed: string[] };
    return new Conversation(sessionId, cwd, exchanges, new Set(always_allowed));
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
    await this.save();
  }

  /** Replaces the file in one step: a process that is killed leaves the old one or the new one. */
  async save(): Promise<void> {
    const file = fileOf(this.sessionId, this.cwd);
    await mkdir(dirname(file), { recursive: true });
    const content = { exchanges: this.exchanges, always_allowed: [...this.alwaysAllowed] };
    await writeFile(`${file}.tmp`, `${JSON.stringify(content, null, 2)}\n`);
    await rename(`${file}.tmp`, file);
  }
}

function fileOf(sessionId: string, cwd: string): string {
  return join(cwd, '.scripted-agent', `${sessionId}.json`);
}

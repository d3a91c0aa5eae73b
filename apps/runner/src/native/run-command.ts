import { AgentProcess, type AgentLaunch, type AgentTerms } from '../agent-process.js';

const commandMs = 60_000;
/** What a harness prints of one conversation. */
const maxOutputBytes = 512 * 1024 * 1024;

export type CommandTerms = Pick<AgentTerms, 'mark' | 'limits' | 'watchdogPath'>;

export interface CommandEnd {
  code: number | null;
  output: Buffer;
  /** What it wrote to stderr last. */
  lastWords: string;
}

/** Runs a program of a harness to its end, a minute at most, and leaves nobody behind. Aborts with `signal`. */
export async function runCommand(
  launch: AgentLaunch,
  cwd: string,
  terms: CommandTerms,
  signal: AbortSignal,
): Promise<CommandEnd> {
  signal.throwIfAborted();
  const process = new AgentProcess(launch, { ...terms, cwd, limitMs: commandMs, onStderr: () => undefined });
  const end = () => process.end(0);
  signal.addEventListener('abort', end, { once: true });
  try {
    process.stdin.end();
    const chunks: Buffer[] = [];
    let bytes = 0;
    process.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxOutputBytes) chunks.push(chunk);
      else end();
    });
    const exit = await process.exited;
    signal.throwIfAborted();
    const lastWords = exit.startFailure ?? (exit.expired ? 'It took more than a minute.' : process.stderrTail);
    return { code: exit.code, output: Buffer.concat(chunks), lastWords };
  } finally {
    signal.removeEventListener('abort', end);
  }
}

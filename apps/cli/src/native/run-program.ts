import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { buffer, text } from 'node:stream/consumers';
import type { NativeCommand, NativePlace } from '@holdfast/harnesses';
import { printable } from '../render/printable.js';
import { UsageError } from '../usage-error.js';

const limitMs = 60_000;

/** How a program ended, and what it printed. */
export interface ProgramEnd {
  /** Null where a signal ended it. */
  code: number | null;
  out: Buffer;
  err: string;
}

/** Runs a harness's own program to its end, a minute at most. Throws UsageError where this machine does not have it. */
export async function runProgram({ argv, env }: NativeCommand, place: NativePlace): Promise<ProgramEnd> {
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: place.cwd,
    env: { ...place.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let timer: NodeJS.Timeout | undefined;
  const ended = new Promise<number | null>((resolve, reject) => {
    timer = setTimeout(() => {
      child.kill('SIGKILL');
      // Processes of its own may hold them open.
      child.stdout.destroy();
      child.stderr.destroy();
      reject(new Error(`"${argv.join(' ')}" did not end within a minute.`));
    }, limitMs);
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') return reject(error);
      const missing = existsSync(place.cwd)
        ? `"${program}" is not on this machine's PATH. Install it, or add its folder to PATH.`
        : `There is no folder ${printable(place.cwd)} to run "${program}" in. Name another with --cwd.`;
      reject(new UsageError(missing));
    });
    child.once('close', resolve);
  });
  try {
    const [code, out, err] = await Promise.all([ended, buffer(child.stdout), text(child.stderr)]);
    return { code, out, err };
  } finally {
    clearTimeout(timer);
  }
}

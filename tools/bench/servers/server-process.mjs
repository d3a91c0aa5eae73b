import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const READY_MS = 30_000;
const STOP_MS = 10_000;
const LAST_WORDS_CHARACTERS = 2_000;
/** Ends the process at once when this one is gone. */
const endWithParent = new URL('../../start/end-with-parent.mjs', import.meta.url).href;

/**
 * Starts a Node program, in a process group of its own so that Ctrl-C reaches only the benchmark, with its output in
 * `logFile`, and resolves once `isReady(message)` holds for a message it sends or `isReady()` holds by itself.
 */
export async function startServerProcess({ name, script, args = [], env, nodeArguments = [], logFile, isReady }) {
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, ['--import', endWithParent, ...nodeArguments, script, ...args], {
    env,
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  });
  closeSync(log);
  const exited = once(child, 'exit');
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  let lastMessage;
  child.on('message', (message) => (lastMessage = message));

  for (const endsAt = performance.now() + READY_MS; !(await isReady(lastMessage)); await sleep(20)) {
    const words = () => readFileSync(logFile, 'utf8').slice(-LAST_WORDS_CHARACTERS);
    if (hasEnded()) throw new Error(`${name} ended at its start:\n${words()}`);
    if (performance.now() > endsAt) {
      child.kill('SIGKILL');
      throw new Error(`${name} is not ready after ${READY_MS / 1000} s:\n${words()}`);
    }
  }
  return {
    pid: child.pid,
    /** Sends a message and resolves to the next one that comes back. */
    async ask(message) {
      const answer = once(child, 'message');
      child.send(message);
      return (await answer)[0];
    },
    async stop() {
      if (hasEnded()) return;
      child.kill('SIGTERM');
      const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(impatience);
    },
  };
}

/** The path of a script beside the module whose `import.meta.url` is `base`. */
export function scriptBeside(base, name) {
  return fileURLToPath(new URL(name, base));
}

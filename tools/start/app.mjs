import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { restartLimit } from './restart-limit.mjs';
import { printLines } from './terminal.mjs';
import { root } from './workspace.mjs';

const PATIENCE_MS = 10_000;
const LAST_WORDS_MS = 500;
const endWithParent = pathToFileURL(join(root, 'tools/start/end-with-parent.mjs')).href;

/** Runs one app with its output prefixed, and starts it again when it dies. */
export function superviseApp({ name, env, onGiveUp }) {
  const script = join(root, 'apps', name, 'dist/main.js');
  const nextPause = restartLimit();
  const waiting = new Map();
  let isStopping = false;
  let pausing;
  let child;
  let ended;

  function start() {
    // In a process group of its own: Ctrl-C must reach only `npm start`, which knows the order of stopping.
    const stdio = ['ignore', 'pipe', 'pipe', 'ipc'];
    const args = ['--enable-source-maps', '--import', endWithParent, script];
    child = spawn(process.execPath, args, { cwd: root, env, stdio, detached: true });
    ended = endOf(child);
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', hear);
    child.once('exit', (code, signal) => died(signal ? `signal ${signal}` : `exit code ${code}`));
  }

  function hear(line) {
    printLines(name, line);
    for (const [text, heard] of waiting) if (line.includes(text)) heard();
  }

  function died(how) {
    if (isStopping) return;
    const pause = nextPause();
    if (pause === undefined) return onGiveUp(`${name} ended three times within a minute, last with ${how}`);
    printLines(name, `ended with ${how}; starting it again`);
    pausing = setTimeout(start, pause);
  }

  start();
  return {
    /** Resolves when the app prints a line that contains `text`. */
    says: (text) => new Promise((heard) => waiting.set(text, heard)),
    async stop() {
      isStopping = true;
      clearTimeout(pausing);
      child.kill('SIGTERM');
      const impatience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await ended;
      clearTimeout(impatience);
    },
    kill() {
      isStopping = true;
      clearTimeout(pausing);
      child.kill('SIGKILL');
    },
  };
}

/** Resolves when the process is gone and its output printed, as far as no child of its own keeps the pipe open. */
function endOf(child) {
  const closed = new Promise((resolve) => child.once('close', resolve));
  const exited = new Promise((resolve) => child.once('exit', resolve));
  return exited.then(() => Promise.race([closed, sleep(LAST_WORDS_MS)]));
}

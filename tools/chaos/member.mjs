import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_MS = 60_000;
const STOP_MS = 30_000;
const RESTART_MS = 500;
const endWithParent = new URL('../start/end-with-parent.mjs', import.meta.url).href;

/**
 * One of our processes, which may be killed, frozen and started again. `isReady` tells when a start is over. What ends
 * it other than a call of these methods is told to `onSurprise`.
 */
export function appMember({ name, script, env, cwd, logFile, isReady, onSurprise }) {
  let child;
  let isExpected = false;
  let isUp = false;
  const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null;

  /** Gives what its output is from now on. */
  function launch() {
    const log = openSync(logFile, 'a');
    const from = readFileSync(logFile).length;
    // A group of its own, so that Ctrl-C reaches only this program.
    const started = spawn(process.execPath, ['--enable-source-maps', '--import', endWithParent, script], {
      env,
      cwd,
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
    });
    closeSync(log);
    child = started;
    isUp = false;
    started.once('exit', (code, by) => {
      if (isExpected || !isUp) return;
      onSurprise(`${name} ended by itself with ${code ?? by}`);
      void member.start();
    });
    return () => readFileSync(logFile).subarray(from).toString();
  }

  async function end(signal) {
    isExpected = true;
    if (!isRunning()) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    // A frozen process hears nothing but SIGKILL.
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(impatience);
  }

  // One that is frozen does not notice that this program is gone.
  process.once('exit', () => isRunning() && child.kill('SIGKILL'));

  const member = {
    name,
    get pid() {
      return isRunning() ? child.pid : undefined;
    },
    /** As its supervisor would: again and again until it is ready. */
    async start(signal) {
      isExpected = false;
      for (const endsAt = Date.now() + READY_MS; !isExpected; await sleep(RESTART_MS)) {
        const output = launch();
        for (; child && isRunning(); await sleep(50)) {
          signal?.throwIfAborted();
          if (await isReady(output)) return void (isUp = true);
          if (Date.now() > endsAt) throw new Error(`${name} is not ready after ${READY_MS / 1000} s:\n${output()}`);
        }
      }
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
  };
  return member;
}

/** A PostgreSQL or Redis, given what starts it on its data and its port. */
export function serverMember({ name, start }) {
  let server;
  let isDown = true;
  process.once('exit', () => isDown || process.kill(server.pid, 'SIGKILL'));
  return {
    name,
    get pid() {
      return isDown ? undefined : server.pid;
    },
    get url() {
      return server.url;
    },
    async start() {
      server = await start(server?.port);
      isDown = false;
    },
    async kill() {
      if (isDown) return;
      isDown = true;
      const gone = new Promise((resolve) => server.onUnexpectedExit(resolve));
      server.kill();
      await gone;
    },
    async stop() {
      if (isDown) return;
      isDown = true;
      this.thaw();
      await server.stop();
    },
    freeze: () => process.kill(server.pid, 'SIGSTOP'),
    thaw: () => process.kill(server.pid, 'SIGCONT'),
  };
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Images run their program as process 1, which the kernel spares signals that it does not handle. */
const canBeProcess1 = process.platform === 'linux' && process.getuid() === 0;
const STOP_MS = 15_000;
const READY_MS = 30_000;

/** Starts one program of a bundle as its image would. */
export function startService(name, [program, ...args], { cwd, env }) {
  const inner = [program === 'node' ? process.execPath : program, ...args];
  const command = canBeProcess1 ? ['unshare', '--pid', '--fork', '--kill-child', ...inner] : inner;
  const child = spawn(command[0], command.slice(1), { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(child, 'exit');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));

  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const pid = () => (canBeProcess1 ? Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`)) : child.pid);
  return {
    name,
    output: () => output,
    /** Resolves once `isReady` resolves to true. */
    async ready(isReady) {
      for (const endsAt = Date.now() + READY_MS; ; await sleep(100)) {
        if (hasEnded()) throw new Error(`${name} ended at its start:\n${output}`);
        if (await isReady()) return;
        if (Date.now() > endsAt) throw new Error(`${name} is not ready after ${READY_MS / 1000} s:\n${output}`);
      }
    },
    /** SIGTERM; fails when it does not end, or not in order. */
    async stop() {
      if (hasEnded()) throw new Error(`${name} had already ended:\n${output}`);
      process.kill(pid(), 'SIGTERM');
      const isLate = Symbol('late');
      const ended = await Promise.race([exit, sleep(STOP_MS, isLate, { ref: false })]);
      if (ended === isLate) throw new Error(`${name} does not end within ${STOP_MS / 1000} s of SIGTERM:\n${output}`);
      const [code, signal] = ended;
      if (code !== 0 && signal !== 'SIGTERM') throw new Error(`${name} ended with ${code ?? signal}:\n${output}`);
    },
    kill: () => child.kill('SIGKILL'),
  };
}

import { spawn } from 'node:child_process';

/** Runs a program to its end and gives what it printed on stdout. Fails with all it printed when it fails. */
export function runCommand(command, args, { env = process.env, cwd, signal } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, cwd, signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let all = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      all += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => (all += text));
    child.once('error', reject);
    child.once('close', (code, endedBy) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${all.trim()}\n(${[command, ...args].join(' ')}: ${endedBy ?? `exit code ${code}`})`));
    });
  });
}

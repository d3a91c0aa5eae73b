import { spawn } from 'node:child_process';

/** Runs a program with its output shown only when it fails. Says what goes on, and how long it took. */
export async function step(title, command, args, options = {}) {
  const startedAt = performance.now();
  process.stdout.write(`${title} … `);
  const env = { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false', ...options.env };
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options, env });
  const output = [];
  child.stdout.on('data', (chunk) => output.push(chunk));
  child.stderr.on('data', (chunk) => output.push(chunk));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (code !== 0) {
    console.log('failed');
    process.stderr.write(Buffer.concat(output));
    process.exit(1);
  }
  console.log(`${seconds} s`);
}

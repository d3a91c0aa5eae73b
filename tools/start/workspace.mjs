import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './run-command.mjs';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Installs the locked dependencies unless node_modules holds exactly them. */
export async function ensureInstalled({ say, signal }) {
  if (isInstalled()) return;
  say('installing the locked dependencies (about half a minute) …');
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  await runCommand(npm[0], [...npm.slice(1), ...args], { cwd: root, signal });
}

/** npm keeps a copy of the lock, as far as this machine needs it, of what it has installed. */
function isInstalled() {
  const copy = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(copy)) return false;
  const installed = packagesOf(copy);
  return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(([path, locked]) => {
    const isOurs = !path.includes('node_modules/');
    if (isOurs || locked.optional || locked.devOptional) return true;
    return installed[path] !== undefined && installed[path].version === locked.version;
  });
}

function packagesOf(lockFile) {
  return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
}

/** Builds what changed since the last build. */
export async function build({ say, signal }) {
  say('building …');
  const started = performance.now();
  const script = join(root, 'node_modules/nx/dist/bin/nx.js');
  try {
    await runCommand(process.execPath, [script, 'run-many', '-t', 'build'], {
      cwd: root,
      env: nxEnvironment(),
      signal,
    });
  } catch (error) {
    // Nx first lists every project, built or not.
    throw new Error(`The build failed.\n${error.message.replace(/^.*?(?=> nx run )/s, '')}`, { cause: error });
  }
  say(`built in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** Nx without its background process and full-screen view. */
export function nxEnvironment() {
  return { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false' };
}

// Installs the real agents that apps/e2e/real-agents runs, at the versions its lock files pin.
// usage: node tools/install-agents.mjs [FOLDER]   (default .agents; some 1.1 GB)
// The tests look for another folder in HOLDFAST_AGENTS.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const folder = resolve(process.argv[2] ?? join(root, '.agents'));
const locks = join(root, 'apps/e2e/real-agents/agents');

// The adapters' optional dependencies are a second copy of the programs, which CODEX_PATH and
// CLAUDE_CODE_EXECUTABLE make needless, and native modules that Gemini CLI does without. opencode's binary for older
// processors (180 MB) is locked as not for Linux: where it is needed, opencode's own install script gets it.
install('programs', []);
install('adapters', ['--omit=optional']);

function install(part, options) {
  const target = join(folder, part);
  const lock = readFileSync(join(locks, part, 'package-lock.json'), 'utf8');
  const versions = Object.entries(JSON.parse(lock).packages[''].dependencies).map((pair) => pair.join('@'));

  // Written last, so that an install that was cut off is not taken for a whole one.
  const stamp = join(target, 'installed-lock.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) {
    return console.log(`${part}: ${versions.join(', ')} already in ${target}`);
  }

  console.log(`${part}: installing ${versions.join(', ')} into ${target} …`);
  rmSync(stamp, { force: true });
  mkdirSync(target, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(locks, part, file), join(target, file));
  const started = Date.now();
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...options], {
    cwd: target,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) {
    console.error(`${part}: npm ci failed (${npm.error?.message ?? `exit code ${npm.status ?? npm.signal}`})`);
    process.exit(1);
  }
  writeFileSync(stamp, lock);
  console.log(`${part}: done in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

// node tools/bundle.mjs APP OUT: makes the production bundle of one app in the new folder OUT.
// It holds the app, the libraries it needs, and their third-party dependencies at the versions of package-lock.json, and
// runs with `node apps/APP/dist/main.js` where there is no repository. Build first. docker/Dockerfile calls this too.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const [app, out] = process.argv.slice(2);
if (!app || !out) fail('usage: node tools/bundle.mjs APP OUT');
const workspaces = readWorkspaces();
const needed = neededBy(`apps/${app}`);
const bundle = path.resolve(out);
if (existsSync(bundle) && readdirSync(bundle).length > 0) fail(`${bundle} is not empty`);

const startedAt = performance.now();
installDependencies();
keepOnlyNeeded();
copyBuilt();
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
console.log(`${app}: ${needed.size} of our packages and ${countInstalled()} of others in ${bundle} (${seconds} s)`);

/** By folder: the manifest of each app and library. */
function readWorkspaces() {
  const folders = ['apps', 'libs'].flatMap((group) =>
    readdirSync(path.join(root, group)).map((name) => `${group}/${name}`),
  );
  const withManifest = folders.filter((folder) => existsSync(path.join(root, folder, 'package.json')));
  return new Map(withManifest.map((folder) => [folder, readJson(path.join(root, folder, 'package.json'))]));
}

/** The folders of the app and of the libraries it needs, directly or not. */
function neededBy(appFolder) {
  if (!workspaces.has(appFolder)) fail(`there is no ${appFolder}`);
  const folders = new Map([...workspaces].map(([folder, { name }]) => [name, folder]));
  const found = new Set([appFolder]);
  for (const folder of found) {
    if (!existsSync(path.join(root, folder, 'dist'))) fail(`${folder} is not built; run npm run build`);
    for (const name of Object.keys(workspaces.get(folder).dependencies ?? {})) {
      if (folders.has(name)) found.add(folders.get(name));
    }
  }
  return found;
}

/** npm takes the lock file only together with every manifest that it was made of. */
function installDependencies() {
  mkdirSync(bundle, { recursive: true });
  for (const file of ['package.json', 'package-lock.json', ...[...workspaces.keys()].map((f) => `${f}/package.json`)]) {
    cpSync(path.join(root, file), path.join(bundle, file));
  }
  const which = ['--omit=dev', `--workspace=apps/${app}`, '--include-workspace-root=false'];
  const how = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = spawnSync('npm', ['ci', ...which, ...how], {
    cwd: bundle,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) fail(`npm ci failed (${npm.error?.message ?? `exit code ${npm.status ?? npm.signal}`})`);
}

function keepOnlyNeeded() {
  for (const folder of workspaces.keys()) {
    if (!needed.has(folder)) rmSync(path.join(bundle, folder), { recursive: true });
  }
  rmSync(path.join(bundle, 'package-lock.json'));
  const manifest = { name: `@holdfast/${app}-bundle`, private: true, type: 'module' };
  writeFileSync(path.join(bundle, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

function copyBuilt() {
  const isForTheCompiler = (file) => /\.d\.ts(\.map)?$|\.tsbuildinfo$/.test(file);
  for (const folder of needed) {
    for (const part of ['dist', 'bin']) {
      const from = path.join(root, folder, part);
      if (!existsSync(from)) continue;
      cpSync(from, path.join(bundle, folder, part), { recursive: true, filter: (file) => !isForTheCompiler(file) });
    }
  }
}

function countInstalled() {
  const { packages } = readJson(path.join(bundle, 'node_modules/.package-lock.json'));
  return Object.keys(packages).filter((folder) => folder.includes('node_modules/') && !packages[folder].link).length;
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function fail(message) {
  console.error(`bundle: ${message}`);
  process.exit(1);
}

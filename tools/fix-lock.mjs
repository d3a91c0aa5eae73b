// node tools/fix-lock.mjs: to be run after `npm install` has changed package-lock.json.
//
// npm leaves platform packages that its registry cannot serve out of the lock without a word, and then `npm ci` stops
// with "Missing: … from lock file". This puts them back as optional entries that other platforms skip.
import { readFileSync, writeFileSync } from 'node:fs';

const FILE = 'package-lock.json';
const SYSTEMS = [
  'darwin',
  'linux',
  'win32',
  'freebsd',
  'openbsd',
  'netbsd',
  'android',
  'sunos',
  'aix',
  'openharmony',
  'windows',
];
const PROCESSORS = ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el', 'wasm32'];

const lock = JSON.parse(readFileSync(FILE, 'utf8'));
let added = 0;
for (const [folder, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(optionalDependencies)) {
    const platform = platformOf(name);
    if (isLocked(folder, name) || !platform) continue;
    lock.packages[`node_modules/${name}`] = { version: range.replace(/^[\^~>=]+/, ''), ...platform, optional: true };
    added += 1;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${FILE}: ${added} platform packages put back`);

/** Whether Node would find the package from that folder upwards. */
function isLocked(folder, name) {
  for (let from = folder; ; from = from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/')))) {
    if (lock.packages[`${from ? `${from}/` : ''}node_modules/${name}`]) return true;
    if (!from) return false;
  }
}

/** What the name says of where the package runs; undefined when it says nothing. */
function platformOf(name) {
  const parts = name.split(/[-/]/);
  const system = SYSTEMS.find((candidate) => parts.includes(candidate));
  const isArm = parts.some((part) => part.startsWith('armv') || part === 'gnueabihf');
  const processor = PROCESSORS.find((candidate) => parts.includes(candidate)) ?? (isArm ? 'arm' : undefined);
  if (!system && !processor) return undefined;
  return {
    ...(processor && { cpu: [processor] }),
    os: [system === 'windows' ? 'win32' : (system ?? '!linux')],
  };
}

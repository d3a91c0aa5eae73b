import { readFileSync } from 'node:fs';

/** Ends the process with one message on a Node that package.json does not admit. */
export function requireNode() {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const wanted = engines.node.replace('>=', '');
  const [wantedMajor, wantedMinor] = wanted.split('.').map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  console.error(`Holdfast needs Node ${wanted} or newer; this is Node ${process.versions.node} (${process.execPath}).`);
  process.exit(1);
}

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { endpointFile } from './settings.mjs';

/** What the last start left for the CLI, scripts and tests; empty before the first one. */
export function readEndpoint() {
  try {
    return JSON.parse(readFileSync(endpointFile, 'utf8'));
  } catch {
    return {};
  }
}

/** Only this user may read it: it holds keys. */
export function writeEndpoint(endpoint) {
  const unfinished = `${endpointFile}.new`;
  writeFileSync(unfinished, `${JSON.stringify(endpoint, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, endpointFile);
}

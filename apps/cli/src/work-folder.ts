import { stat } from 'node:fs/promises';
import path from 'node:path';
import { printable } from './render/printable.js';
import { UsageError } from './usage-error.js';

/** The folder of --cwd, absolute; where none was given this one. Throws UsageError where there is no such folder. */
export async function workFolder(given = '.'): Promise<string> {
  const folder = path.resolve(given);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return folder;
  throw new UsageError(
    `There is no folder ${printable(folder)} for the agent to work in. Make it first, or name another with --cwd.`,
  );
}

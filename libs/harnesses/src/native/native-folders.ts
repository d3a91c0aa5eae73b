import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { NativePlace } from './native-harness.js';
import { resolvedPath } from './safe-path.js';

/** The user's home and the working directory, symbolic links resolved. */
export async function placeOf({ env, cwd }: NativePlace): Promise<{ home: string; cwd: string }> {
  return { home: await resolvedPath(env.HOME || homedir()), cwd: await resolvedPath(cwd) };
}

/** False for folders and symbolic links. */
export async function isPlainFile(file: string): Promise<boolean> {
  try {
    return (await lstat(file)).isFile();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** The plain files of a folder and of the folders in it; empty where it is not there. Links are passed over. */
export async function* filesBelow(folder: string): AsyncGenerator<string> {
  for (const entry of await entriesOf(folder)) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(full);
    else if (entry.isFile()) yield full;
  }
}

/** In the order of their names; empty where the folder is not there. */
export async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** The plain files among these, the one that was written last first. */
export async function newestFirst(files: string[]): Promise<{ file: string; modified_at: Date }[]> {
  const found: { file: string; modified_at: Date }[] = [];
  for (const file of files) {
    const stats = await lstat(file).catch(() => undefined);
    if (stats?.isFile()) found.push({ file, modified_at: new Date(stats.mtimeMs) });
  }
  return found.sort((a, b) => b.modified_at.getTime() - a.modified_at.getTime());
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

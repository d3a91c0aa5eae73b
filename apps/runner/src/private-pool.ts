import { randomBytes, randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const form = /^local-[0-9a-f]{32}$/;

/**
 * The pool of the machine that this runner's folder is on, for turns that are to run here and nowhere else. Who knows the
 * name can have this machine work for them, so it is 128 random bits; it stays the same when the runner starts again,
 * because turns that wait for it may be from before. The caller must hold the folder's lock.
 */
export async function privatePoolOf(folder: string): Promise<string> {
  const path = join(folder, 'private-pool');
  const known = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return '';
  });
  // One that was cut off would be easier to guess.
  if (form.test(known)) return known;
  const name = `local-${randomBytes(16).toString('hex')}`;
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, name, { mode: 0o600 });
  await rename(temporary, path);
  return name;
}

import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { stateFolder } from '../config.js';
import type { LocalCopy } from './local-copy.js';

/**
 * Copies what this machine has of a conversation aside, laid out as in the program's own folder, so that copying it back
 * over that folder restores it. Returns the folder.
 */
export async function keepCopy(copy: LocalCopy, now = new Date()): Promise<string> {
  const { harness, nativeId, place } = copy;
  const time = now.toISOString().replace(/\W/g, '');
  const folder = path.join(stateFolder(), 'kept', `${harness.name}-${nativeId}-${time}`);
  const { root } = await harness.origin(place);
  const files = (await copy.files()).map((file) => file.path);
  // What the program's import takes.
  if (harness.exchange) files.push(await harness.exchange.pack(place, nativeId));
  for (const file of files) {
    const kept = path.join(folder, path.relative(root, file));
    await mkdir(path.dirname(kept), { recursive: true, mode: 0o700 });
    await copyFile(file, kept);
  }
  return folder;
}

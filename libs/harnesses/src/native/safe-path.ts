import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { UnsafeNativePath } from './native-errors.js';

/** First in a stored conversation's archive, so no file of one may have its name. */
const MANIFEST = 'manifest.json';

/** A relative name with "/" that stays below the folder it is joined to, on any system, and that a store takes. */
export function isSafeName(name: string): boolean {
  return name.length <= 255 && name !== MANIFEST && name.split('/').every(isSafeSegment);
}

function isSafeSegment(segment: string): boolean {
  return segment !== '' && segment !== '.' && segment !== '..' && !/[\\\u0000-\u001f\u007f-\u009f]/.test(segment);
}

/** Throws UnsafeNativePath for a target that is not below the root, also where a symbolic link leads out of it. */
export async function checkInside(root: string, target: string): Promise<void> {
  const [realRoot, realTarget] = await Promise.all([resolvedPath(root), resolvedPath(path.dirname(target))]);
  if (realTarget === realRoot || realTarget.startsWith(realRoot + path.sep)) return;
  throw new UnsafeNativePath(`${target} is not inside ${root}.`);
}

/** The path with symbolic links resolved as far as it exists. */
export async function resolvedPath(file: string): Promise<string> {
  const missing: string[] = [];
  for (let existing = path.resolve(file); ; existing = path.dirname(existing)) {
    try {
      return path.join(await realpath(existing), ...missing);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      missing.unshift(path.basename(existing));
    }
  }
}

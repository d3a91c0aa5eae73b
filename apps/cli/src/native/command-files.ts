import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { NativeCommandFile } from '@holdfast/harnesses';

/** What became of a program's settings: keys of `merge` are set in `path`, or the user has to set them. */
export interface ChangedSettings {
  path: string;
  merge: Record<string, unknown>;
  is_set: boolean;
}

/** Sets what a program needs to go on with a conversation. What is set already is not told. */
export async function setCommandFiles(files: NativeCommandFile[]): Promise<ChangedSettings[]> {
  const changed: ChangedSettings[] = [];
  for (const { path: file, merge, mode } of files) {
    const before = await settingsIn(file);
    const after = before && merged(before, merge);
    if (after && JSON.stringify(after) === JSON.stringify(before)) continue;
    if (after) await replace(file, after, mode);
    changed.push({ path: file, merge, is_set: after !== undefined });
  }
  return changed;
}

/** Undefined where it is not plain JSON: comments would be lost. */
async function settingsIn(file: string): Promise<Record<string, unknown> | undefined> {
  try {
    const content: unknown = JSON.parse(await readFile(file, 'utf8'));
    return isRecord(content) ? content : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function replace(file: string, content: object, mode: number): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode });
  await rename(temporary, file);
}

function merged(into: Record<string, unknown>, from: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(from).map(([key, value]) => {
    const present = into[key];
    return [key, isRecord(present) && isRecord(value) ? merged(present, value) : value];
  });
  return { ...into, ...Object.fromEntries(entries) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

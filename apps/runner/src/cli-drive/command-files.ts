import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { NativeCommandFile } from '@holdfast/harnesses';
import { isRecord } from './cli-output.js';

/** Puts the configuration in place that a command needs: keys are set in what is there, all else is left alone. */
export async function writeCommandFiles(files: readonly NativeCommandFile[]): Promise<void> {
  for (const { path, merge, mode } of files) {
    const before = await configurationIn(path);
    const merged = mergeInto(before, merge);
    if (JSON.stringify(merged) === JSON.stringify(before)) continue;
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.${randomUUID()}`;
    await writeFile(temporary, `${JSON.stringify(merged, null, 2)}\n`, { mode });
    await rename(temporary, path);
  }
}

async function configurationIn(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  const content = parsed(text);
  if (isRecord(content)) return content;
  // Comments, which some programs take, would be lost.
  throw new Error(`${path} is not a plain JSON object, so what the agent needs in it could not be set.`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function mergeInto(base: Record<string, unknown>, added: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...base };
  for (const [key, value] of Object.entries(added)) {
    const present = merged[key];
    merged[key] = isRecord(present) && isRecord(value) ? mergeInto(present, value) : value;
  }
  return merged;
}

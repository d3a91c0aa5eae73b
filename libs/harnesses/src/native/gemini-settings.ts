import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NativeFileUnusable } from './native-errors.js';
import { resolvedPath } from './safe-path.js';

/**
 * Gemini CLI, when it starts without resuming, takes the stub that a resume left for a broken conversation, and deletes
 * every file whose name ends with the same eight digits: the conversation as well. Only without its retention it does not.
 */
export const KEEP_CONVERSATIONS = { general: { sessionRetention: { enabled: false } } };

/** Sets it in the user's settings, and leaves all else there alone. Throws NativeFileUnusable for what is no plain JSON. */
export async function keepConversations(settingsFile: string): Promise<void> {
  const file = await resolvedPath(settingsFile);
  const text = await readOrNothing(file);
  const settings = text === undefined ? {} : parsed(text);
  if (!isObject(settings)) {
    if (text?.includes('"sessionRetention"')) return;
    throw new NativeFileUnusable(
      `Gemini CLI would delete conversations after a resume: set general.sessionRetention.enabled to false in ${file}, which is no plain JSON and was left alone.`,
    );
  }
  const general = isObject(settings['general']) ? settings['general'] : {};
  const retention = isObject(general['sessionRetention']) ? general['sessionRetention'] : {};
  if (retention['enabled'] === false) return;

  const kept = { ...settings, general: { ...general, sessionRetention: { ...retention, enabled: false } } };
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.holdfast.tmp`, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.holdfast.tmp`, file);
}

async function readOrNothing(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

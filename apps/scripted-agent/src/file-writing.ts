import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import type { Turn } from './turn.js';

/** Asks for permission, then writes a file inside the working directory. Answers whether it was permitted. */
export async function writeWithPermission(turn: Turn, path: string, text: string): Promise<boolean> {
  const { cwd } = turn.conversation;
  const file = resolve(cwd, path);
  const oldText = await readFile(file, 'utf8').catch(() => null);
  const call = {
    title: `Write ${path}`,
    kind: 'edit' as const,
    content: [{ type: 'diff' as const, path: file, oldText, newText: text }],
    locations: [{ path: file }],
    rawInput: { path, text },
  };
  return turn.askAndRun(call, async () => {
    if (isOutside(cwd, file)) throw new Error(`${path} is outside the working directory.`);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    return `Wrote ${Buffer.byteLength(text)} bytes to ${path}.`;
  });
}

function isOutside(folder: string, file: string): boolean {
  const way = relative(folder, file);
  return !way || isAbsolute(way) || way.split(/[\\/]/)[0] === '..';
}

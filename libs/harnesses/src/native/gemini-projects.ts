import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NativeFileUnusable } from './native-errors.js';
import { entriesOf } from './native-folders.js';
import type { NativeOrigin } from './native-harness.js';

const MARKER = '.project_root';

/** The name that Gemini CLI makes of a working directory where nothing else has it yet. */
export function slugOf(cwd: string): string {
  const words = path
    .basename(cwd)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');
  return words.replace(/^-|-$/g, '') || 'project';
}

export function chatsFolder(project: string): string {
  return path.join(project, 'chats');
}

/** The folder that the program keeps for this working directory; undefined where it has none yet. */
export async function knownProjectFolder(origin: NativeOrigin): Promise<string | undefined> {
  const registered = (await registry(origin))[origin.cwd];
  if (registered && (await isOwned(origin, registered))) return projectFolder(origin, registered);
  for (const base of baseFolders(origin)) {
    for (const entry of await entriesOf(base)) {
      if ((await ownerOf(path.join(base, entry.name))) === origin.cwd) return projectFolder(origin, entry.name);
    }
  }
  return undefined;
}

/**
 * The same; a new one is marked as this directory's, in the way of the program, which finds it by the mark and enters it
 * in its registry. Two directories of one name so never share a folder.
 */
export async function claimProjectFolder(origin: NativeOrigin): Promise<string> {
  const known = await knownProjectFolder(origin);
  if (known) return known;
  const taken = new Set(Object.values(await registry(origin)));
  const slug = slugOf(origin.cwd);
  for (let counter = 0; ; counter++) {
    const candidate = counter === 0 ? slug : `${slug}-${counter}`;
    if (!taken.has(candidate) && (await mark(origin, candidate))) return projectFolder(origin, candidate);
  }
}

function projectFolder({ root }: NativeOrigin, slug: string): string {
  return path.join(root, 'tmp', slug);
}

function baseFolders({ root }: NativeOrigin): string[] {
  return [path.join(root, 'tmp'), path.join(root, 'history')];
}

async function registry({ root }: NativeOrigin): Promise<Record<string, string>> {
  const file = path.join(root, 'projects.json');
  const text = await readOrNothing(file);
  if (text === undefined) return {};
  try {
    const { projects } = JSON.parse(text) as { projects?: Record<string, unknown> };
    const entries = Object.entries(projects ?? {}).filter(([, slug]) => typeof slug === 'string' && isFolderName(slug));
    return Object.fromEntries(entries) as Record<string, string>;
  } catch {
    throw new NativeFileUnusable(`${file} is not JSON: Gemini CLI would begin it anew.`);
  }
}

function isFolderName(slug: string): boolean {
  return slug === path.basename(slug) && slug !== '.' && slug !== '..';
}

/** A folder without a mark belongs to whom the registry says. */
async function isOwned(origin: NativeOrigin, slug: string): Promise<boolean> {
  const owners = await Promise.all(baseFolders(origin).map((base) => ownerOf(path.join(base, slug))));
  return owners.every((owner) => owner === undefined || owner === origin.cwd);
}

async function ownerOf(folder: string): Promise<string | undefined> {
  const owner = (await readOrNothing(path.join(folder, MARKER)))?.trim();
  // Nobody's yet: another process is just marking it.
  return owner ? path.resolve(owner) : owner;
}

/** False where it is another directory's. */
async function mark(origin: NativeOrigin, slug: string): Promise<boolean> {
  if (!(await isOwned(origin, slug))) return false;
  for (const base of baseFolders(origin)) {
    const folder = path.join(base, slug);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      await writeFile(path.join(folder, MARKER), origin.cwd, { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if ((await ownerOf(folder)) !== origin.cwd) return false;
    }
  }
  return true;
}

async function readOrNothing(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

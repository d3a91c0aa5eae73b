import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { chatsFolder, claimProjectFolder, knownProjectFolder, slugOf } from './gemini-projects.js';
import { withoutDoubledResults } from './gemini-results.js';
import { KEEP_CONVERSATIONS, keepConversations } from './gemini-settings.js';
import { NativeIdUnknown, UnsafeNativePath } from './native-errors.js';
import { firstLines } from './native-file.js';
import { entriesOf, isPlainFile, newestFirst, placeOf } from './native-folders.js';
import type {
  LocatedFile,
  LocateMemory,
  NativeCommand,
  NativeCommandRequest,
  NativeHarness,
  NativePlace,
} from './native-harness.js';
import { checkUuid, isUuid } from './native-id.js';
import { changedLine, lineBatches } from './native-lines.js';
import { isSafeName, resolvedPath } from './safe-path.js';
import { shellDisplay } from './shell-display.js';

const MAIN = 'chat.jsonl';
const SLASH = '/';

/**
 * Gemini CLI (facts from 0.61.0). `<root>/tmp/<slug of the cwd>/chats/session-<minute>-<first 8 of the id>.jsonl` is the
 * conversation; the program looks for it in the folder of its own cwd only. `chats/<id>/` holds subagents,
 * `tool-outputs/session-<id>/` outputs of some 40 KB and more, which the conversation names by absolute path. Each resume
 * leaves a stub of two lines with the same id beside the conversation, and appends the whole conversation to it once more.
 */
export const geminiNative: NativeHarness = {
  name: 'gemini',
  envelopeFormat: null,
  isNativeId: isUuid,
  mainName: () => MAIN,

  async origin(place) {
    const { home, cwd } = await placeOf(place);
    return { home, cwd, root: await resolvedPath(path.join(place.env.GEMINI_CLI_HOME || home, '.gemini')) };
  },

  async locate(place, nativeId, memory) {
    checkUuid(nativeId);
    const project = await knownProjectFolder(await geminiNative.origin(place));
    const main = project && (await mainFile(project, nativeId, memory));
    if (!main) return [];
    return [
      { name: MAIN, mode: 'lines', path: main },
      ...(await filesOf('subagents', 'lines', subagentsFolder(project, nativeId))),
      ...(await filesOf('tool-outputs', 'whole', outputsFolder(project, nativeId))),
    ];
  },

  async describe(mainPath) {
    const [header = Buffer.alloc(0)] = await firstLines(mainPath);
    const { startTime } = headerOf(header);
    return { started_at: typeof startTime === 'string' ? startTime : null, harness_version: null };
  },

  async targetPath(place, { native_id }, name) {
    checkUuid(native_id);
    const project = await claimProjectFolder(await geminiNative.origin(place));
    if (name === MAIN) return (await mainFile(project, native_id)) ?? freeMainFile(project, native_id);
    const [folder, file, ...deeper] = isSafeName(name) ? name.split(SLASH) : [];
    if (file && deeper.length === 0) {
      if (folder === 'subagents' && file.endsWith('.jsonl'))
        return path.join(subagentsFolder(project, native_id), file);
      if (folder === 'tool-outputs') return path.join(outputsFolder(project, native_id), file);
    }
    throw new UnsafeNativePath(`Gemini CLI has no file ${JSON.stringify(name)}.`);
  },

  canonical(nativeId, name, from) {
    if (!holdsMessages(name)) return (content) => content;
    const moved = outputPaths(nativeId, from.root, '<native>');
    return (content) => withoutDoubledResults(moved(content));
  },

  relocate(nativeId, name, from, to, mainPath) {
    if (!holdsMessages(name)) return (content) => content;
    const project = mainPath ? path.dirname(path.dirname(mainPath)) : path.join(to.root, 'tmp', slugOf(to.cwd));
    const moved = outputPaths(nativeId, from.root, outputsFolder(project, nativeId));
    return (content) => withoutDoubledResults(moved(content));
  },

  /**
   * The program sends a tool's result twice when it resumes, thrice the next time, and so on; where it resumes within the
   * minute that the file's name says, it empties the file; and after a resume its next start may delete it.
   */
  async settle(place, nativeId) {
    checkUuid(nativeId);
    const project = await knownProjectFolder(await geminiNative.origin(place));
    const main = project && (await mainFile(project, nativeId));
    if (!main) return;
    await keepConversations(settingsFile(place));
    const target = isOldName(main) ? main : await freeMainFile(project, nativeId);
    const temporary = `${target}.holdfast.tmp`;
    await rename((await rewritten(main, temporary)) ? temporary : main, target);
    if (target !== main) await rm(main, { force: true });
  },

  async recent(place, limit) {
    const project = await knownProjectFolder(await geminiNative.origin(place));
    const chats = project ? await entriesOf(chatsFolder(project)) : [];
    const names = chats.map(({ name }) => name).filter((name) => /^session-.+\.jsonl$/.test(name));
    const found = new Map<string, Date>();
    for (const { file, modified_at } of await newestFirst(
      names.map((name) => path.join(chatsFolder(project!), name)),
    )) {
      if (found.size === limit) break;
      const [header = Buffer.alloc(0)] = await firstLines(file);
      const { sessionId } = headerOf(header);
      // A resume leaves a stub with the same id.
      if (typeof sessionId === 'string' && isUuid(sessionId) && !found.has(sessionId))
        found.set(sessionId, modified_at);
    }
    return [...found].map(([native_id, modified_at]) => ({ native_id, modified_at }));
  },

  freshCommand: (request) => command(request, '--session-id'),
  resumeCommand: (request) => command(request, '--resume'),
};

/** Without a terminal a tool that needs a permission is not even offered to the model, except in the mode `yolo`. */
function command(request: NativeCommandRequest, session: '--session-id' | '--resume'): NativeCommand {
  const { place, native_id, prompt, approvals, model } = request;
  if (native_id === null) throw new NativeIdUnknown('Gemini CLI is started with a session id.');
  checkUuid(native_id);
  const argv: [string, ...string[]] = [
    'gemini',
    ...(prompt === null ? [] : ['--output-format', 'stream-json', '--skip-trust']),
    ...(approvals === 'bypass' ? ['--approval-mode', 'yolo'] : prompt === null ? [] : ['--approval-mode', 'default']),
    ...(model === null ? [] : ['--model', model]),
    session,
    native_id,
  ];
  return {
    argv,
    env: {},
    stdin: prompt,
    files: [{ path: settingsFile(place), merge: KEEP_CONVERSATIONS, mode: 0o600 }],
    display: shellDisplay({ cwd: place.cwd, env: {}, argv, stdin: prompt }),
  };
}

function settingsFile({ env }: NativePlace): string {
  return path.join(env.GEMINI_CLI_HOME || env.HOME || '/', '.gemini', 'settings.json');
}

/** The longest of those that hold this conversation: a newer one is a stub. */
async function mainFile(project: string, nativeId: string, memory?: LocateMemory): Promise<string | undefined> {
  const chats = chatsFolder(project);
  const end = `-${nativeId.slice(0, 8)}.jsonl`;
  const names = (await entriesOf(chats))
    .filter((entry) => entry.isFile() && entry.name.startsWith('session-') && entry.name.endsWith(end))
    .map((entry) => entry.name);
  const question = names.join(SLASH);
  const remembered = memory?.get(question);
  if (remembered && (await isPlainFile(remembered))) return remembered;

  let longest: { file: string; lines: number } | undefined;
  for (const file of names.map((name) => path.join(chats, name))) {
    const [header = Buffer.alloc(0)] = await firstLines(file);
    if (headerOf(header).sessionId !== nativeId) continue;
    const lines = await countLines(file);
    if (!longest || lines > longest.lines) longest = { file, lines };
  }
  if (longest) memory?.set(question, longest.file);
  return longest?.file;
}

function headerOf(line: Buffer): { sessionId?: unknown; startTime?: unknown } {
  try {
    return (JSON.parse(line.toString('utf8')) ?? {}) as { sessionId?: unknown; startTime?: unknown };
  } catch {
    return {};
  }
}

async function countLines(file: string): Promise<number> {
  let lines = 0;
  for await (const block of createReadStream(file)) {
    for (let at = (block as Buffer).indexOf(10); at >= 0; at = (block as Buffer).indexOf(10, at + 1)) lines++;
  }
  return lines;
}

// A minute that no resume can fall into: in the minute of its name the program would empty the file.
const oldName = /^session-2020-01-01T/;

function isOldName(file: string): boolean {
  return oldName.test(path.basename(file));
}

/** Other conversations may begin with the same eight digits. */
async function freeMainFile(project: string, nativeId: string): Promise<string> {
  for (let minute = 0; ; minute++) {
    const time = new Date(Date.UTC(2020, 0, 1, 0, minute)).toISOString().slice(0, 16).replace(':', '-');
    const file = path.join(chatsFolder(project), `session-${time}-${nativeId.slice(0, 8)}.jsonl`);
    if (!(await isPlainFile(file))) return file;
  }
}

function subagentsFolder(project: string, nativeId: string): string {
  return path.join(chatsFolder(project), nativeId);
}

function outputsFolder(project: string, nativeId: string): string {
  return path.join(project, 'tool-outputs', `session-${nativeId}`);
}

async function filesOf(role: string, mode: LocatedFile['mode'], folder: string): Promise<LocatedFile[]> {
  const files = (await entriesOf(folder)).filter((entry) => entry.isFile() && isOfMode(entry.name, mode));
  return files
    .map(({ name }): LocatedFile => ({ name: `${role}/${name}`, mode, path: path.join(folder, name) }))
    .filter(({ name }) => isSafeName(name));
}

function isOfMode(name: string, mode: LocatedFile['mode']): boolean {
  return mode === 'whole' || name.endsWith('.jsonl');
}

function holdsMessages(name: string): boolean {
  return name === MAIN || name.startsWith('subagents/');
}

/** Replaces the folder of the conversation's tool outputs, whatever project of that root it is in. */
function outputPaths(nativeId: string, root: string, replacement: string): (content: Buffer) => Buffer {
  const end = `/tool-outputs/session-${nativeId}`;
  const pattern = new RegExp(`${literal(inJson(`${root}/tmp/`))}[a-z0-9-]+${end}`, 'g');
  return (content) => {
    if (!content.includes(end)) return content;
    const text = content.toString('utf8');
    const changed = text.replace(pattern, () => inJson(replacement));
    return changed === text ? content : Buffer.from(changed);
  };
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** Writes the file anew where that changes it; false where it does not. */
async function rewritten(file: string, temporary: string): Promise<boolean> {
  const target = await open(temporary, 'w', 0o600);
  let isChanged = false;
  try {
    for await (const lines of lineBatches(createReadStream(file) as AsyncIterable<Buffer>)) {
      const after = lines.map((line) => changedLine(line, withoutDoubledResults));
      isChanged ||= after.some((line, index) => line !== lines[index]);
      await target.writeFile(Buffer.concat(after.flatMap((line) => [line, Buffer.from('\n')])));
    }
    await target.sync();
  } finally {
    await target.close();
  }
  if (!isChanged) await rm(temporary);
  return isChanged;
}

import path from 'node:path';
import { NativeIdUnknown, UnsafeNativePath } from './native-errors.js';
import { firstLines } from './native-file.js';
import { entriesOf, filesBelow, isPlainFile, newestFirst, placeOf } from './native-folders.js';
import type {
  LocatedFile,
  LocateMemory,
  NativeCommand,
  NativeCommandRequest,
  NativeDescription,
  NativeHarness,
  NativeOrigin,
} from './native-harness.js';
import { checkUuid, isUuid } from './native-id.js';
import { isSafeName, resolvedPath } from './safe-path.js';
import { shellDisplay } from './shell-display.js';

const MAIN = 'main.jsonl';
const NO_PATH = Buffer.from('"\'\\`<>|:;,=()[]{}');
const PROJECTS = Buffer.from('/projects/');
/** Longest path that is looked for in a line. */
const PATH_BYTES = 4096;

/**
 * Claude Code (facts from 2.1.44 and 2.1.329). `<root>/projects/<folder of the cwd>/<id>.jsonl` is the conversation,
 * `<id>/` beside it holds subagents and tool outputs of some 30 KB and more, which the transcript names by absolute path.
 * Other paths in the lines (cwd) need not be true for a resume.
 */
export const claudeNative: NativeHarness = {
  name: 'claude',
  envelopeFormat: 'claude_code_cli',
  isNativeId: isUuid,
  mainName: () => MAIN,

  async origin(place) {
    const { home, cwd } = await placeOf(place);
    return { home, cwd, root: await resolvedPath(place.env.CLAUDE_CONFIG_DIR || path.join(home, '.claude')) };
  },

  async locate(place, nativeId, memory) {
    checkUuid(nativeId);
    const origin = await claudeNative.origin(place);
    const main = await mainFile(origin, nativeId, memory);
    if (!main) return [];
    return [
      { name: MAIN, mode: 'lines', path: main },
      ...(await sidecars(sidecarFolder(main, nativeId))),
      ...(await todos(origin.root, nativeId)),
    ];
  },

  describe,

  async targetPath(place, { native_id }, name) {
    checkUuid(native_id);
    if (!isSafeName(name)) throw new UnsafeNativePath(`Claude Code has no file ${JSON.stringify(name)}.`);
    const origin = await claudeNative.origin(place);
    const main = (await mainFile(origin, native_id)) ?? path.join(projectFolder(origin), `${native_id}.jsonl`);
    if (name === MAIN) return main;
    const [folder, file, ...deeper] = name.split('/');
    if (folder !== 'todos') return path.join(sidecarFolder(main, native_id), name);
    if (file && deeper.length === 0 && isTodo(file, native_id)) return path.join(origin.root, 'todos', file);
    throw new UnsafeNativePath(`${name} is no list of todos of ${native_id}.`);
  },

  canonical(nativeId, name, from) {
    if (!holdsPaths(name)) return (content) => content;
    const placeholder = Buffer.from('<native>/');
    return sidecarPaths(nativeId, from.root, () => placeholder);
  },

  relocate(nativeId, name, from, to, mainPath) {
    if (!holdsPaths(name)) return (content) => content;
    const main = mainPath ?? path.join(projectFolder(to), `${nativeId}.jsonl`);
    const there = escaped(`${sidecarFolder(main, nativeId)}/`);
    return sidecarPaths(nativeId, from.root, (isOwn) => (isOwn ? there : undefined));
  },

  async recent(place, limit) {
    const folder = projectFolder(await claudeNative.origin(place));
    const names = (await entriesOf(folder)).map(({ name }) => name).filter((name) => isUuid(path.parse(name).name));
    const files = await newestFirst(
      names.filter((name) => name.endsWith('.jsonl')).map((name) => path.join(folder, name)),
    );
    return files.slice(0, limit).map(({ file, modified_at }) => ({ native_id: path.parse(file).name, modified_at }));
  },

  freshCommand(request) {
    if (request.native_id === null) throw new NativeIdUnknown('Claude Code is started with a session id.');
    return command(request, ['--session-id', request.native_id]);
  },

  resumeCommand(request) {
    if (request.native_id === null) throw new NativeIdUnknown('A resume needs the session id.');
    return command(request, ['--resume', request.native_id]);
  },
};

/**
 * The prompt goes by stdin: it has no limit there, and other users of the machine do not see it. The mode is named so
 * that a user's own settings do not let through what nobody was asked; without a terminal a question is a refusal.
 */
function command(request: NativeCommandRequest, session: string[]): NativeCommand {
  const { place, native_id, prompt, approvals, model } = request;
  checkUuid(native_id!);
  const isBypass = approvals === 'bypass';
  const argv: [string, ...string[]] = [
    'claude',
    ...(prompt === null ? [] : ['-p', '--output-format', 'stream-json', '--verbose']),
    ...(isBypass ? ['--dangerously-skip-permissions'] : prompt === null ? [] : ['--permission-mode', 'default']),
    ...(model === null ? [] : ['--model', model]),
    ...session,
  ];
  // As root it refuses to bypass anything unless it is told that it runs in a sandbox.
  const env: Record<string, string> = isBypass ? { IS_SANDBOX: '1' } : {};
  return { argv, env, stdin: prompt, files: [], display: shellDisplay({ cwd: place.cwd, env, argv, stdin: prompt }) };
}

async function describe(mainPath: string): Promise<NativeDescription> {
  const found: NativeDescription = { started_at: null, harness_version: null };
  for (const line of await firstLines(mainPath)) {
    const { timestamp, version } = parsed(line);
    if (typeof timestamp === 'string') found.started_at ??= timestamp;
    if (typeof version === 'string') found.harness_version ??= version;
  }
  return found;
}

function parsed(line: Buffer): { timestamp?: unknown; version?: unknown } {
  try {
    return (JSON.parse(line.toString('utf8')) ?? {}) as { timestamp?: unknown; version?: unknown };
  } catch {
    return {};
  }
}

/** The folder of a working directory: every character that is not a letter or a digit is a "-". */
function projectFolder({ root, cwd }: NativeOrigin): string {
  return path.join(root, 'projects', cwd.replace(/[^A-Za-z0-9]/g, '-'));
}

function sidecarFolder(main: string, nativeId: string): string {
  return path.join(path.dirname(main), nativeId);
}

/** In the folder of the cwd, else in whichever folder has it. */
async function mainFile(origin: NativeOrigin, nativeId: string, memory?: LocateMemory): Promise<string | undefined> {
  const computed = path.join(projectFolder(origin), `${nativeId}.jsonl`);
  const remembered = memory?.get(MAIN);
  for (const file of remembered ? [computed, remembered] : [computed]) if (await isPlainFile(file)) return file;
  for (const folder of await entriesOf(path.join(origin.root, 'projects'))) {
    const file = path.join(origin.root, 'projects', folder.name, `${nativeId}.jsonl`);
    if (!folder.isDirectory() || !(await isPlainFile(file))) continue;
    memory?.set(MAIN, file);
    return file;
  }
  return undefined;
}

async function sidecars(folder: string): Promise<LocatedFile[]> {
  const files: LocatedFile[] = [];
  for await (const file of filesBelow(folder)) {
    const name = path.relative(folder, file).split(path.sep).join('/');
    const isOurs = isSafeName(name) && name !== MAIN && !name.startsWith('todos/') && !name.endsWith('.tmp');
    if (isOurs) files.push({ name, mode: name.endsWith('.jsonl') ? 'lines' : 'whole', path: file });
  }
  return files;
}

async function todos(root: string, nativeId: string): Promise<LocatedFile[]> {
  const entries = await entriesOf(path.join(root, 'todos'));
  return entries
    .filter((entry) => entry.isFile() && isTodo(entry.name, nativeId) && isSafeName(`todos/${entry.name}`))
    .map(({ name }) => ({ name: `todos/${name}`, mode: 'whole', path: path.join(root, 'todos', name) }));
}

function isTodo(file: string, nativeId: string): boolean {
  return file.startsWith(`${nativeId}-agent-`) && file.endsWith('.json');
}

/** Tool outputs are what a program printed, and stay as they are. */
function holdsPaths(name: string): boolean {
  return name.endsWith('.jsonl');
}

/**
 * Replaces the paths of the conversation's own folder, `…/projects/<any>/<id>/`. `replace` is told whether a path
 * begins with the root; other roots (a conversation that tells of another machine) only get a placeholder, so that a
 * line has one canonical form wherever it lies. Undefined leaves a path as it is.
 */
function sidecarPaths(
  nativeId: string,
  root: string,
  replace: (isOwn: boolean) => Buffer | undefined,
): (content: Buffer) => Buffer {
  const mark = Buffer.from(`/${nativeId}/`);
  const ownRoot = escaped(root);
  return (content) => {
    const parts: Buffer[] = [];
    let done = 0;
    for (let at = content.indexOf(mark); at >= 0; at = content.indexOf(mark, at + 1)) {
      const found = pathBefore(content, at, done, ownRoot);
      const replacement = found && replace(found.isOwn);
      if (!found || !replacement) continue;
      parts.push(content.subarray(done, found.start), replacement);
      done = at + mark.length;
    }
    return parts.length ? Buffer.concat([...parts, content.subarray(done)]) : content;
  };
}

/** Where the path begins that has `/projects/<any>` right before `end`; not before `from`. */
function pathBefore(
  content: Buffer,
  end: number,
  from: number,
  root: Buffer,
): { start: number; isOwn: boolean } | undefined {
  const least = Math.max(from, end - PATH_BYTES);
  let folder = end;
  while (folder > least && isFolderByte(content[folder - 1]!)) folder--;
  const rootEnd = folder - PROJECTS.length;
  if (folder === end || rootEnd < least || !content.subarray(rootEnd, folder).equals(PROJECTS)) return undefined;

  const ownStart = rootEnd - root.length;
  const isOwn =
    ownStart >= least &&
    content.subarray(ownStart, rootEnd).equals(root) &&
    (ownStart === least || !isPathByte(content[ownStart - 1]!));
  if (isOwn) return { start: ownStart, isOwn };
  let start = rootEnd;
  while (start > least && isPathByte(content[start - 1]!)) start--;
  return { start, isOwn };
}

function isFolderByte(byte: number): boolean {
  return byte === 0x2d || isAlphanumeric(byte);
}

function isAlphanumeric(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

/** What a path is made of when it stands in a text; a space may end it. */
function isPathByte(byte: number): boolean {
  return byte > 0x20 && !NO_PATH.includes(byte);
}

/** A path as it stands inside a JSON string. */
function escaped(text: string): Buffer {
  return Buffer.from(JSON.stringify(text).slice(1, -1));
}

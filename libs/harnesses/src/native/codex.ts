import path from 'node:path';
import { knownRolloutPath } from './codex-database.js';
import { jsonSpan, jsonString, spliced } from './json-span.js';
import { NativeFileUnusable, NativeIdUnknown, UnsafeNativePath } from './native-errors.js';
import { firstLines } from './native-file.js';
import { filesBelow, newestFirst, placeOf } from './native-folders.js';
import type {
  LocatedFile,
  LocateMemory,
  NativeCommand,
  NativeCommandRequest,
  NativeHarness,
  NativeOrigin,
  RecentConversation,
} from './native-harness.js';
import { checkUuid, isUuid } from './native-id.js';
import { isSafeName, resolvedPath } from './safe-path.js';
import { shellDisplay } from './shell-display.js';

const SESSION_META = Buffer.from('"session_meta"');
/** Rollouts that are opened to find those of one working directory. */
const LOOKED_AT = 200;

/** By how much a machine's clock may be behind that of the one where the conversation began. */
const CLOCKS_DIFFER_MS = 24 * 60 * 60 * 1000;

/** A rollout's file; `id` is its thread's. */
interface Rollout {
  id: string;
  path: string;
}

/** What the first line of a rollout tells. */
interface RolloutHead {
  /** The conversation that it belongs to: its own, or its parent's. */
  session_id: string | null;
  cwd: string | null;
  timestamp: string | null;
  cli_version: string | null;
}

/**
 * Codex (facts from 0.169.0). `<root>/sessions/YYYY/MM/DD/rollout-<time>-<thread id>.jsonl`; children of a conversation
 * are rollouts of their own with its `session_id`. Where a home's database knows a thread, only the path it names is
 * read; otherwise any folder below `sessions` is found.
 */
export const codexNative: NativeHarness = {
  name: 'codex',
  envelopeFormat: 'codex_cli',
  isNativeId: isUuid,
  mainName: rolloutName,

  async origin(place) {
    const { home, cwd } = await placeOf(place);
    return { home, cwd, root: await resolvedPath(place.env.CODEX_HOME || path.join(home, '.codex')) };
  },

  async locate(place, nativeId, memory = new Map()) {
    checkUuid(nativeId);
    const { root } = await codexNative.origin(place);
    const rollouts = await rolloutsOf(root);
    const main = await rolloutFile(root, nativeId, rollouts);
    if (!main) return [];
    const files = [located({ id: nativeId, path: main })];
    for (const id of await childrenOf(nativeId, rollouts, memory)) {
      const file = await rolloutFile(root, id, rollouts);
      if (file) files.push(located({ id, path: file }));
    }
    return files;
  },

  async describe(mainPath) {
    const head = await headOf(mainPath);
    return { started_at: head?.timestamp ?? null, harness_version: head?.cli_version ?? null };
  },

  async targetPath(place, { native_id, started_at }, name) {
    checkUuid(native_id);
    const id = threadOf(name);
    const { root } = await codexNative.origin(place);
    const known = await knownRolloutPath(root, id);
    const there = known ?? (await rolloutFile(root, id, await rolloutsOf(root)));
    if (there === undefined) return computedPath(root, id, id === native_id ? started_at : null);
    if (there.startsWith(path.join(root, 'archived_sessions') + path.sep)) {
      throw new NativeFileUnusable(`The conversation is archived in this home. Run: codex unarchive ${id}`);
    }
    return there;
  },

  canonical(_nativeId, _name, _from) {
    const placeholder = Buffer.from('"<cwd>"');
    return (line) => withCwd(line, () => placeholder);
  },

  relocate(_nativeId, _name, from, to) {
    return (line) => withCwd(line, (cwd) => Buffer.from(JSON.stringify(cwdThere(cwd, from, to))));
  },

  freshCommand: (request) => command(request, null),

  resumeCommand(request) {
    if (request.native_id === null) throw new NativeIdUnknown('A resume needs the session id.');
    checkUuid(request.native_id);
    return command(request, request.native_id);
  },

  async startedSince(place, since) {
    const { root, cwd } = await codexNative.origin(place);
    const started: string[] = [];
    for (const { id, path: file } of await rolloutsOf(root)) {
      if (isV7(id) && startOf(id) < since.getTime()) continue;
      const head = await headOf(file);
      const isFresh = head?.timestamp && Date.parse(head.timestamp) >= since.getTime();
      const isOwn = head?.session_id === null || head?.session_id === id;
      if (isFresh && isOwn && head.cwd !== null && (await resolvedPath(head.cwd)) === cwd) started.push(id);
    }
    return started;
  },

  async recent(place, limit) {
    const { root, cwd } = await codexNative.origin(place);
    const rollouts = new Map((await rolloutsOf(root)).map(({ id, path: file }) => [file, id]));
    const recent: RecentConversation[] = [];
    for (const { file, modified_at } of (await newestFirst([...rollouts.keys()])).slice(0, LOOKED_AT)) {
      if (recent.length === limit) break;
      const native_id = rollouts.get(file)!;
      const head = await headOf(file);
      const isOwn = head?.session_id === native_id;
      if (isOwn && head.cwd !== null && (await resolvedPath(head.cwd)) === cwd) recent.push({ native_id, modified_at });
    }
    return recent;
  },
};

/**
 * The prompt goes by stdin: it has no limit there, and other users of the machine do not see it. Without a terminal
 * nobody can be asked, so what would need an answer is refused, unless the caller bypasses approvals. The daemon would
 * outlive an interactive program.
 */
function command(request: NativeCommandRequest, resume: string | null): NativeCommand {
  const { place, prompt, approvals, model } = request;
  const bypass = approvals === 'bypass' ? ['--dangerously-bypass-approvals-and-sandbox'] : [];
  const denying = ['-s', 'read-only', '-c', 'approval_policy="never"'];
  const options = [...(bypass.length || prompt === null ? bypass : denying), ...(model === null ? [] : ['-m', model])];
  const argv: [string, ...string[]] =
    prompt === null
      ? ['codex', '-c', 'features.daemon_auto_start=false', ...options, ...(resume ? ['resume', resume] : [])]
      : ['codex', 'exec', '--json', '--skip-git-repo-check', ...options, ...(resume ? ['resume', resume] : []), '-'];
  return {
    argv,
    env: {},
    stdin: prompt,
    files: [],
    display: shellDisplay({ cwd: place.cwd, env: {}, argv, stdin: prompt }),
  };
}

function rolloutName(id: string): string {
  return `rollouts/${id}.jsonl`;
}

function threadOf(name: string): string {
  const id = /^rollouts\/([^/]+)\.jsonl$/.exec(name)?.[1];
  if (id && isUuid(id) && isSafeName(name)) return id;
  throw new UnsafeNativePath(`Codex has no file ${JSON.stringify(name)}.`);
}

function located({ id, path: file }: Rollout): LocatedFile {
  return { name: rolloutName(id), mode: 'lines', path: file };
}

/** All rollouts of a home, compressed and archived ones too. */
async function rolloutsOf(root: string): Promise<Rollout[]> {
  const rollouts: Rollout[] = [];
  for (const folder of ['sessions', 'archived_sessions']) {
    for await (const file of filesBelow(path.join(root, folder))) {
      const id = /^rollout-.+-([0-9a-f-]{36})\.jsonl(\.zst)?$/.exec(path.basename(file))?.[1];
      if (id && isUuid(id)) rollouts.push({ id, path: file });
    }
  }
  return rollouts;
}

/** The file that Codex would read: of several the one that its database names. */
async function rolloutFile(root: string, id: string, rollouts: Rollout[]): Promise<string | undefined> {
  const files = rollouts.filter((rollout) => rollout.id === id).map((rollout) => rollout.path);
  const known = files.length > 1 ? await knownRolloutPath(root, id) : undefined;
  const file = known !== undefined && files.includes(known) ? known : (files.find(isPlain) ?? files[0]);
  if (file && !isPlain(file)) {
    throw new NativeFileUnusable(
      `${file} is compressed. Resume it once in Codex, which unpacks it: codex resume ${id}`,
    );
  }
  return file;
}

function isPlain(file: string): boolean {
  return file.endsWith('.jsonl');
}

/** Ids of the threads that belong to a conversation. Each rollout is opened once, and none that began long before it. */
async function childrenOf(nativeId: string, rollouts: Rollout[], memory: LocateMemory): Promise<string[]> {
  const children = new Set<string>();
  for (const { id, path: file } of rollouts) {
    const isOlder = isV7(nativeId) && isV7(id) && startOf(id) < startOf(nativeId) - CLOCKS_DIFFER_MS;
    if (id === nativeId || isOlder || !isPlain(file)) continue;
    if (!memory.has(file)) {
      const head = await headOf(file);
      if (head) memory.set(file, head.session_id);
    }
    if (memory.get(file) === nativeId) children.add(id);
  }
  return [...children].sort();
}

/** Undefined while the first line is being written. */
async function headOf(file: string): Promise<RolloutHead | undefined> {
  const [first] = await firstLines(file);
  if (!first) return undefined;
  const of = (...keys: string[]) => jsonString(first, ['payload', ...keys]) ?? null;
  return {
    session_id: of('session_id') ?? of('source', 'subagent', 'thread_spawn', 'parent_thread_id') ?? of('id'),
    cwd: of('cwd'),
    timestamp: of('timestamp'),
    cli_version: of('cli_version'),
  };
}

/** `sessions/YYYY/MM/DD/rollout-YYYY-MM-DDThh-mm-ss-<id>.jsonl`; where no time is known, that of the id, else now. */
function computedPath(root: string, id: string, startedAt: string | null): string {
  const told = startedAt === null ? NaN : Date.parse(startedAt);
  const time = Number.isNaN(told) ? (isV7(id) ? startOf(id) : Date.now()) : told;
  const iso = new Date(time).toISOString();
  const [year, month, day] = iso.slice(0, 10).split('-') as [string, string, string];
  const name = `rollout-${iso.slice(0, 19).replaceAll(':', '-')}-${id}.jsonl`;
  return path.join(root, 'sessions', year, month, day, name);
}

function isV7(id: string): boolean {
  return id[14] === '7';
}

/** RFC 9562: the first 48 bits are milliseconds since 1970. */
function startOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** A line with the cwd of its `session_meta` replaced; all other lines, and all other bytes, stay. */
function withCwd(line: Buffer, replacement: (cwd: string) => Buffer): Buffer {
  if (!line.includes(SESSION_META) || jsonString(line, ['type']) !== 'session_meta') return line;
  const cwd = jsonString(line, ['payload', 'cwd']);
  const span = jsonSpan(line, ['payload', 'cwd']);
  return cwd === undefined || !span ? line : spliced(line, span, replacement(cwd));
}

/** A folder below the old working directory stays below the new one; any other is not known to exist there. */
function cwdThere(cwd: string, from: NativeOrigin, to: NativeOrigin): string {
  const below = path.relative(from.cwd, cwd);
  const isBelow = path.isAbsolute(cwd) && below !== '..' && !below.startsWith(`..${path.sep}`);
  return isBelow ? path.join(to.cwd, below) : to.cwd;
}

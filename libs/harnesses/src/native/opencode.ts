import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { ConversationLoadFailed, NativeFileUnusable, NativeIdUnknown, UnsafeNativePath } from './native-errors.js';
import { isPlainFile, placeOf } from './native-folders.js';
import type { NativeCommand, NativeCommandRequest, NativeHarness, NativePlace } from './native-harness.js';
import { lineBatches } from './native-lines.js';
import { resolvedPath } from './safe-path.js';
import { shellDisplay } from './shell-display.js';

const MESSAGES = 'messages.jsonl';
const SESSION = 'session.json';

/** What `opencode export` prints; fields that are not named here are kept as well. */
interface ExportedSession {
  info: { id: string; version?: string; time?: { created?: number } };
  messages: ExportedMessage[];
}

interface ExportedMessage {
  info: { id: string; role: string; time?: { completed?: number }; error?: unknown };
  parts: unknown[];
}

/**
 * opencode (facts from 1.18.33) keeps conversations in a database. Its commands hand one out and take one in; between
 * them it lies in `<exchange>/<id>/`: a line for each message, and in `session.json` the session's own fields with the
 * messages at the end that the program had not finished. An import takes the working directory that it is run in,
 * and orders the keys anew.
 */
export const opencodeNative: NativeHarness = {
  name: 'opencode',
  envelopeFormat: null,
  isNativeId,
  mainName: () => MESSAGES,

  async origin(place) {
    return { ...(await placeOf(place)), root: await resolvedPath(exchangeOf(place)) };
  },

  async locate(place, nativeId) {
    const folder = folderOf(place, nativeId);
    if (!(await isPlainFile(path.join(folder, MESSAGES)))) return [];
    return [
      { name: MESSAGES, mode: 'lines', path: path.join(folder, MESSAGES) },
      { name: SESSION, mode: 'whole', path: path.join(folder, SESSION) },
    ];
  },

  async describe(mainPath) {
    const { info } = await readSession(path.dirname(mainPath));
    const { created } = info.time ?? {};
    return { started_at: created ? new Date(created).toISOString() : null, harness_version: info.version ?? null };
  },

  async targetPath(place, { native_id }, name) {
    if (name === MESSAGES || name === SESSION) return path.join(folderOf(place, native_id), name);
    throw new UnsafeNativePath(`opencode has no file ${JSON.stringify(name)}.`);
  },

  canonical: (_, name) => (content) => {
    const value = parsed(content);
    if (!isObject(value)) return content;
    return Buffer.from(JSON.stringify(name === SESSION ? placeless(value) : steady(value), keysInOrder));
  },

  // Nothing in them has to be true at another place: the import sees to it.
  relocate: () => (content) => content,

  freshCommand(request) {
    if (request.native_id !== null) throw new NativeIdUnknown('opencode chooses the id of a session itself.');
    return command(request, []);
  },

  resumeCommand(request) {
    if (request.native_id === null) throw new NativeIdUnknown('A resume needs the session id.');
    checkId(request.native_id);
    return command(request, ['--session', request.native_id]);
  },

  exchange: {
    exportCommand: (place, nativeId) => plainCommand(place, ['opencode', 'export', checkId(nativeId)]),

    async unpack(place, nativeId, printed) {
      const { info, messages } = exported(printed, nativeId);
      const finished = messages.findLastIndex(isFinished) + 1;
      const folder = folderOf(place, nativeId);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await replace(path.join(folder, SESSION), [JSON.stringify({ info, unfinished: messages.slice(finished) })]);
      await replace(path.join(folder, MESSAGES), jsonLines(messages.slice(0, finished)));
    },

    async pack(place, nativeId) {
      const folder = folderOf(place, nativeId);
      const session = await readSession(folder);
      const file = path.join(folder, 'import.json');
      await replace(file, importable(session, path.join(folder, MESSAGES)));
      return file;
    },

    importCommands: (place, nativeId, packed, { isThere }) => [
      ...(isThere ? [plainCommand(place, ['opencode', 'session', 'delete', checkId(nativeId)])] : []),
      plainCommand(place, ['opencode', 'import', packed]),
    ],
  },
};

function isNativeId(nativeId: string): boolean {
  return /^ses_[A-Za-z0-9]{1,64}$/.test(nativeId);
}

function checkId(nativeId: string): string {
  if (isNativeId(nativeId)) return nativeId;
  throw new UnsafeNativePath(`${JSON.stringify(nativeId)} is not a session id of opencode.`);
}

function exchangeOf({ exchange }: NativePlace): string {
  if (exchange) return exchange;
  throw new NativeFileUnusable('opencode keeps conversations in a database: a folder to unpack them into is needed.');
}

function folderOf(place: NativePlace, nativeId: string): string {
  return path.join(exchangeOf(place), checkId(nativeId));
}

const asking = '{"edit":"ask","bash":"ask","webfetch":"ask"}';
const allowing = asking.replaceAll('ask', 'allow');

/**
 * The prompt goes by stdin: as an argument, opencode puts quotes around it. Without a terminal a question is a refusal,
 * except with `--auto`; its own default asks nothing, so the asking has to be set.
 */
function command(request: NativeCommandRequest, session: string[]): NativeCommand {
  const { place, prompt, approvals, model } = request;
  const run = prompt === null ? [] : ['run', '--format', 'json', ...(approvals === 'bypass' ? ['--auto'] : [])];
  const env: Record<string, string> = {
    OPENCODE_PERMISSION: prompt === null && approvals === 'bypass' ? allowing : asking,
  };
  const argv: [string, ...string[]] = ['opencode', ...run, ...(model === null ? [] : ['--model', model]), ...session];
  return plainCommand(place, argv, env, prompt);
}

function plainCommand(
  place: NativePlace,
  argv: [string, ...string[]],
  env: Record<string, string> = {},
  stdin: string | null = null,
): NativeCommand {
  return { argv, env, stdin, files: [], display: shellDisplay({ cwd: place.cwd, env, argv, stdin }) };
}

function exported(printed: Buffer, nativeId: string): ExportedSession {
  const value = parsed(printed) as Partial<ExportedSession> | undefined;
  if (value?.info?.id === nativeId && Array.isArray(value.messages) && value.messages.every(isMessage)) {
    return value as ExportedSession;
  }
  throw new ConversationLoadFailed(`What opencode printed is not an export of ${nativeId}.`);
}

function isMessage(value: unknown): boolean {
  return isObject(value) && isObject(value['info']) && Array.isArray(value['parts']);
}

/** A message that is still being written, or that the program was killed in, is an assistant's without an end. */
function isFinished({ info }: ExportedMessage): boolean {
  return info.role !== 'assistant' || info.time?.completed !== undefined || info.error !== undefined;
}

async function readSession(folder: string): Promise<{ info: ExportedSession['info']; unfinished: ExportedMessage[] }> {
  const value = parsed(await readFile(path.join(folder, SESSION)));
  if (isObject(value) && isObject(value['info']) && Array.isArray(value['unfinished'])) {
    return value as unknown as { info: ExportedSession['info']; unfinished: ExportedMessage[] };
  }
  throw new ConversationLoadFailed(`The stored ${SESSION} of opencode is not one.`);
}

async function* importable(
  { info, unfinished }: { info: object; unfinished: object[] },
  messages: string,
): AsyncGenerator<string | Buffer> {
  yield `{"info":${JSON.stringify(info)},"messages":[`;
  let comma = '';
  for await (const lines of lineBatches(createReadStream(messages) as AsyncIterable<Buffer>)) {
    for (const line of lines.filter((candidate) => candidate.length > 0)) {
      yield comma;
      yield line;
      comma = ',';
    }
  }
  for (const message of unfinished) {
    yield comma + JSON.stringify(message);
    comma = ',';
  }
  yield ']}';
}

function* jsonLines(messages: object[]): Iterable<string> {
  for (const message of messages) yield `${JSON.stringify(message)}\n`;
}

async function replace(file: string, content: AsyncIterable<string | Buffer> | Iterable<string>): Promise<void> {
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    for await (const part of content) await handle.writeFile(part);
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

/** A session's fields without those that an import sets anew. */
function placeless({ info, ...rest }: Record<string, unknown>): object {
  if (!isObject(info)) return { info, ...rest };
  const { directory: _directory, path: _path, projectID: _project, ...kept } = info;
  return { info: kept, ...rest };
}

/** A message without what the program adds to it later: a summary of a prompt's changes, the time an output was dropped. */
function steady({ info, parts, ...rest }: Record<string, unknown>): object {
  if (!isObject(info) || !Array.isArray(parts)) return { info, parts, ...rest };
  const { summary: _summary, ...kept } = info;
  return { info: kept, parts: parts.map(steadyPart), ...rest };
}

function steadyPart(part: unknown): unknown {
  if (!isObject(part) || !isObject(part['state']) || !isObject(part['state']['time'])) return part;
  const { compacted: _compacted, ...time } = part['state']['time'];
  return { ...part, state: { ...part['state'], time } };
}

function keysInOrder(_: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
}

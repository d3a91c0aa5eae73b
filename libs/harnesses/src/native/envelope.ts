import path from 'node:path';
import { ConversationLoadFailed } from './native-errors.js';
import type { NativeConversation, NativeHarness, NativeMode } from './native-harness.js';
import { isUuid } from './native-id.js';
import { linesOf } from './native-lines.js';
import type { StoredFile } from './native-mark.js';
import { relocated } from './rehydrate.js';
import { isSafeName } from './safe-path.js';

/**
 * `native` loses nothing: `{harness, native_id, cwd, harness_version, started_at, files: [{name, mode, content}]}`, where
 * content is a list of lines without "\n" (of pieces, for a whole file); one that is not UTF-8 is `{"base64": …}`.
 * The others are the shapes that other systems know, with lines as JSON: lines that are not JSON, and files that the
 * shape has no place for (Claude's tool outputs, Codex's children), are left out.
 */
export type EnvelopeFormat = 'native' | 'claude_code_cli' | 'codex_cli';

export interface EnvelopeHead extends NativeConversation {
  /** The harness's version that wrote the newest lines, where it is known. */
  harness_version: string | null;
}

/** A conversation taken out of an envelope; a `lines` file's data ends with "\n". */
export interface OpenedEnvelope extends EnvelopeHead {
  harness: string;
  cwd: string;
  files: { name: string; mode: NativeMode; data: Buffer }[];
}

/** What an envelope is written from. */
interface EnvelopeSource extends EnvelopeHead {
  harness: string;
  cwd: string;
  files: { name: string; mode: NativeMode; content: AsyncIterable<Buffer> }[];
}

/**
 * The envelope as pieces of JSON text, with flat memory. Everything is relocated to where the newest lines were captured.
 * Throws ConversationLoadFailed, and RangeError for a format that is not the harness's.
 */
export async function* toEnvelope(
  harness: NativeHarness,
  format: EnvelopeFormat,
  head: EnvelopeHead,
  files: readonly StoredFile[],
): AsyncGenerator<string> {
  if (format !== 'native' && format !== harness.envelopeFormat) {
    throw new RangeError(`A conversation of ${harness.name} has no envelope ${format}.`);
  }
  const mainName = harness.mainName(head.native_id);
  const to = files.find(({ mark }) => mark.name === mainName)?.mark.chunks.at(-1)?.origin;
  if (!to) throw new ConversationLoadFailed(`The stored conversation has no ${mainName}.`);

  const source: EnvelopeSource = {
    ...head,
    harness: harness.name,
    cwd: to.cwd,
    files: files.map(({ mark, data }) => {
      return { ...mark, content: relocated(harness, head.native_id, mark, data, to, null) };
    }),
  };
  yield* writers[format](source, mainName);
}

const writers: Record<EnvelopeFormat, (source: EnvelopeSource, mainName: string) => AsyncGenerator<string>> = {
  native: writeNative,
  claude_code_cli: writeClaude,
  codex_cli: writeCodex,
};

async function* writeNative({ files, ...source }: EnvelopeSource): AsyncGenerator<string> {
  const { harness, native_id, cwd, harness_version, started_at } = source;
  yield opening({ harness, native_id, cwd, harness_version, started_at });
  yield ',"files":[';
  let comma = '';
  for (const { name, mode, content } of files) {
    yield `${comma}${opening({ name, mode })},"content":`;
    yield* list(content, (chunk) => (mode === 'lines' ? linesOf(chunk) : [chunk]).map(textOrBase64));
    yield '}';
    comma = ',';
  }
  yield ']}';
}

async function* writeClaude(source: EnvelopeSource, mainName: string): AsyncGenerator<string> {
  const { cwd, native_id, harness_version, files } = source;
  yield opening({ cwd, uuid: native_id, ...(harness_version && { claude_version: harness_version }) });
  yield ',"entries":';
  yield* list(contentOf(files, mainName), jsonLines);
  yield ',"subagents":{';
  yield* members(files, /^subagents\/([^/]+)\.jsonl$/, (content) => list(content, jsonLines));
  yield '},"todos":{';
  yield* members(files, /^todos\/([^/]+)\.json$/, wholeJson);
  yield '}}';
}

async function* writeCodex(source: EnvelopeSource, mainName: string): AsyncGenerator<string> {
  const { cwd, native_id, harness_version, started_at, files } = source;
  yield opening({
    cwd,
    session_id: native_id,
    ...(harness_version && { codex_version: harness_version }),
    ...(started_at && { session_start_timestamp: started_at }),
  });
  yield ',"entries":';
  yield* list(contentOf(files, mainName), jsonLines);
  yield '}';
}

function opening(fields: Record<string, unknown>): string {
  return JSON.stringify(fields).slice(0, -1);
}

function contentOf(files: EnvelopeSource['files'], name: string): AsyncIterable<Buffer> {
  return files.find((file) => file.name === name)!.content;
}

async function* members(
  files: EnvelopeSource['files'],
  pattern: RegExp,
  value: (content: AsyncIterable<Buffer>) => AsyncGenerator<string>,
): AsyncGenerator<string> {
  let comma = '';
  for (const { name, content } of files) {
    const stem = pattern.exec(name)?.[1];
    if (stem === undefined) continue;
    yield `${comma}${JSON.stringify(stem)}:`;
    yield* value(content);
    comma = ',';
  }
}

async function* list(content: AsyncIterable<Buffer>, items: (chunk: Buffer) => string[]): AsyncGenerator<string> {
  yield '[';
  let comma = '';
  for await (const chunk of content) {
    const texts = items(chunk);
    if (texts.length === 0) continue;
    yield comma + texts.join(',');
    comma = ',';
  }
  yield ']';
}

function jsonLines(chunk: Buffer): string[] {
  return linesOf(chunk)
    .map((line) => line.toString('utf8').trim())
    .filter(isJson);
}

async function* wholeJson(content: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(part);
  const text = Buffer.concat(parts).toString('utf8').trim();
  yield isJson(text) ? text : 'null';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function textOrBase64(data: Buffer): string {
  const text = data.toString('utf8');
  return JSON.stringify(Buffer.from(text).equals(data) ? text : { base64: data.toString('base64') });
}

/** Throws ConversationLoadFailed where the JSON is not of that format. */
export function fromEnvelope(format: EnvelopeFormat, json: unknown): OpenedEnvelope {
  return readers[format](objectOf(json, 'The envelope'));
}

type Fields = Record<string, unknown>;

const readers: Record<EnvelopeFormat, (envelope: Fields) => OpenedEnvelope> = {
  native: readNative,
  claude_code_cli: readClaude,
  codex_cli: readCodex,
};

function readNative(envelope: Fields): OpenedEnvelope {
  return {
    harness: textOf(envelope, 'harness'),
    native_id: textOf(envelope, 'native_id'),
    cwd: cwdOf(envelope),
    harness_version: optionalText(envelope, 'harness_version'),
    started_at: optionalText(envelope, 'started_at'),
    files: listOf(envelope, 'files').map((item) => {
      const file = objectOf(item, 'A file');
      const mode = textOf(file, 'mode');
      if (mode !== 'lines' && mode !== 'whole') throw unlike(`A file's mode is ${JSON.stringify(mode)}.`);
      const contents = listOf(file, 'content').map(dataOf);
      const data = mode === 'lines' ? contents.flatMap((line) => [line, Buffer.from('\n')]) : contents;
      return { name: safe(textOf(file, 'name')), mode, data: Buffer.concat(data) };
    }),
  };
}

function readClaude(envelope: Fields): OpenedEnvelope {
  const entries = listOf(envelope, 'entries');
  const subagents = Object.entries(objectOf(envelope.subagents ?? {}, 'subagents'));
  const todos = Object.entries(objectOf(envelope.todos ?? {}, 'todos'));
  return {
    harness: 'claude',
    native_id: uuidOf(envelope, 'uuid'),
    cwd: cwdOf(envelope),
    harness_version: optionalText(envelope, 'claude_version'),
    started_at: firstTimestamp(entries, (entry) => entry.timestamp),
    files: [
      linesFile('main.jsonl', entries),
      ...subagents.map(([stem]) => linesFile(`subagents/${stem}.jsonl`, listOf(Object.fromEntries(subagents), stem))),
      ...todos.map(([stem, value]) => {
        const data = Buffer.from(JSON.stringify(value));
        return { name: safe(`todos/${stem}.json`), mode: 'whole' as const, data };
      }),
    ],
  };
}

function readCodex(envelope: Fields): OpenedEnvelope {
  const entries = listOf(envelope, 'entries');
  const native_id = uuidOf(envelope, 'session_id');
  const startedAt = firstTimestamp(entries, (entry) => (entry.payload as Fields | undefined)?.timestamp);
  return {
    harness: 'codex',
    native_id,
    cwd: cwdOf(envelope),
    harness_version: optionalText(envelope, 'codex_version'),
    started_at: optionalText(envelope, 'session_start_timestamp') ?? startedAt,
    files: [linesFile(`rollouts/${native_id}.jsonl`, entries)],
  };
}

function linesFile(name: string, entries: unknown[]): OpenedEnvelope['files'][number] {
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
  return { name: safe(name), mode: 'lines', data: Buffer.from(lines.join('')) };
}

function firstTimestamp(entries: unknown[], timestampOf: (entry: Fields) => unknown): string | null {
  for (const entry of entries) {
    const timestamp = typeof entry === 'object' && entry !== null && timestampOf(entry as Fields);
    if (typeof timestamp === 'string') return timestamp;
  }
  return null;
}

function dataOf(content: unknown): Buffer {
  if (typeof content === 'string') return Buffer.from(content);
  return Buffer.from(textOf(objectOf(content, 'A content'), 'base64'), 'base64');
}

function safe(name: string): string {
  if (isSafeName(name)) return name;
  throw unlike(`${JSON.stringify(name)} is no name of a file.`);
}

function uuidOf(fields: Fields, key: string): string {
  const text = textOf(fields, key);
  if (isUuid(text)) return text;
  throw unlike(`${key} is not a UUID.`);
}

function cwdOf(fields: Fields): string {
  const cwd = textOf(fields, 'cwd');
  if (path.isAbsolute(cwd)) return cwd;
  throw unlike('cwd is not an absolute path.');
}

function optionalText(fields: Fields, key: string): string | null {
  return fields[key] === undefined || fields[key] === null ? null : textOf(fields, key);
}

function textOf(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value === 'string' && value !== '') return value;
  throw unlike(`${key} is not a text.`);
}

function listOf(fields: Fields, key: string): unknown[] {
  const value = fields[key];
  if (Array.isArray(value)) return value;
  throw unlike(`${key} is not a list.`);
}

function objectOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw unlike(`${what} is not an object.`);
}

function unlike(detail: string): ConversationLoadFailed {
  return new ConversationLoadFailed(`The envelope is not of its format: ${detail}`);
}

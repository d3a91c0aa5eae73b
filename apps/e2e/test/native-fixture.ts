import { createHash, randomUUID } from 'node:crypto';
import type { Stack } from './stack.js';

/** What a runner is given with a turn, as far as it matters here. */
export interface Grant {
  session_id: string;
  turn_id: string;
  epoch: number;
  log_path: string;
  credential: string;
  resume_conversation: { harness: string; native_id: string } | null;
}

export interface Answer {
  status: number;
  /** Of a problem. */
  code: string | undefined;
  json: Record<string, unknown>;
  etag: string | null;
}

export interface Part {
  name: string;
  mode: 'lines' | 'whole';
  from_line: number;
  lines: number;
  digest: string;
  sha256: string;
  data: Buffer;
}

/** Which version is meant, as a query names it. */
export interface Selector {
  session_id?: string;
  conversation_id?: string;
  native_id?: string;
  harness?: string;
  branch_id?: string;
  version?: string;
}

export const NATIVE = '/v1/admin/sessions/transcripts/native';

export const ORIGIN = { home: '/home/me', root: '/home/me/.claude', cwd: '/home/me/code' };

export const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');

/** The digest of a file of lines up to each of the cuts, made as simply as may be: to the api it is opaque. */
export const digestOf = (lines: string[]) => sha256(lines.map((line) => `${line}\n`).join(''));

/** A file of lines in parts, each a list of lines; `before` are those that are stored. */
export function partsOf(name: string, runs: string[][], before: string[] = []): Part[] {
  const all = [...before];
  return runs.map((run) => {
    const data = Buffer.from(run.map((line) => `${line}\n`).join(''));
    const from_line = all.length + 1;
    all.push(...run);
    return { name, mode: 'lines', from_line, lines: run.length, digest: digestOf(all), sha256: sha256(data), data };
  });
}

export function wholePart(name: string, text: string): Part {
  const data = Buffer.from(text);
  return { name, mode: 'whole', from_line: 1, lines: 1, digest: sha256(data), sha256: sha256(data), data };
}

/** What files are after parts, where each file has its last one among them. */
export function statesOf(parts: Part[]) {
  const files = new Map(parts.map((part) => [part.name, part]));
  return [...files.values()].map(({ name, mode, from_line, lines, digest }) => ({
    name,
    mode,
    lines: from_line + lines - 1,
    digest,
  }));
}

/** The api of a stack, request by request. */
export class NativeApi {
  constructor(private readonly stack: Stack) {}

  async call(
    method: string,
    path: string,
    key: string | undefined,
    body?: object | Buffer,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const isBytes = Buffer.isBuffer(body);
    const response = await fetch(`${this.stack.url}${path}`, {
      method,
      headers: {
        ...(body && { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
        ...(key && { authorization: `Bearer ${key}` }),
        ...headers,
      },
      ...(body && { body: isBytes ? new Uint8Array(body) : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = (text ? JSON.parse(text) : {}) as Record<string, unknown>;
    const code = response.ok ? undefined : (json['code'] as string);
    return { status: response.status, code, json, etag: response.headers.get('etag') };
  }

  open(key: string, open: object, base: number | null): Promise<Answer> {
    const headers: Record<string, string> = base === null ? { 'if-none-match': '*' } : { 'if-match': `"${base}"` };
    return this.call('POST', NATIVE, key, { harness: 'claude', origin: ORIGIN, ...open }, headers);
  }

  part(key: string, save_id: unknown, { data, ...part }: Part): Promise<Answer> {
    const query = new URLSearchParams(Object.entries(part).map(([name, value]) => [name, String(value)]));
    return this.call('PUT', `${NATIVE}/saves/${String(save_id)}/parts?${query}`, key, data);
  }

  finish(key: string, save_id: unknown, files: object[], save_point = 'push'): Promise<Answer> {
    return this.call('POST', `${NATIVE}/saves/${String(save_id)}/finish`, key, { files, save_point });
  }

  manifest(key: string, selector: Selector): Promise<Answer> {
    const named = Object.entries(selector).filter(([, value]) => value !== undefined) as [string, string][];
    return this.call('GET', `${NATIVE}/manifest?${new URLSearchParams(named)}`, key);
  }

  /** A save from its opening to its end; whatever is refused on the way is the answer. */
  async save(key: string, open: object, base: number | null, parts: Part[], save_point?: string): Promise<Answer> {
    const opened = await this.open(key, open, base);
    if (opened.code) return opened;
    for (const part of parts) {
      const kept = await this.part(key, opened.json['save_id'], part);
      if (kept.code) return kept;
    }
    return this.finish(key, opened.json['save_id'], statesOf(parts), save_point);
  }

  /** The lines of a file of a version, as an archive has them. */
  async lines(key: string, { version, ...selector }: Selector, name = 'main.jsonl'): Promise<string[] | undefined> {
    const selected = { ...selector, ...(version !== undefined && { version: Number(version) }) };
    const { files } = await this.stack.clientWith(key).readNativeFiles(selected);
    let found: string[] | undefined;
    for await (const { mark, data } of files) {
      const pieces: Uint8Array[] = [];
      for await (const piece of data) pieces.push(piece);
      if (mark.name === name) found = Buffer.concat(pieces).toString().split('\n').slice(0, -1);
    }
    return found;
  }

  /** A runner that hosts nothing, with a pool of its own. */
  async runner({ api_key, runner_key } = this.stack.keys) {
    const [pool, replica_id] = [`p-${randomUUID()}`, randomUUID()];
    await this.call('PUT', `/v1/agents/${pool}`, api_key, { harness: 'scripted', pool });
    await this.call('POST', '/v1/admin/sessions/streams/register', runner_key, { replica_id, pools: [pool] });
    const claim = async () => {
      const claimed = { replica_id, capacity: 1, wait_seconds: 20 };
      const { json } = await this.call('POST', '/v1/admin/sessions/streams/claim', runner_key, claimed);
      return (json['turns'] as Grant[])[0]!;
    };
    return {
      claim,
      start: async (session_id: string): Promise<Grant> => {
        const start = { session_id, prompt: 'hi', agent: { name: pool }, detached: true, start_within_ms: 0 };
        const { code } = await this.call('POST', '/v1/sessions/streams/invoke', api_key, start);
        if (code) throw new Error(code);
        return claim();
      },
      complete: async ({ session_id, turn_id, epoch, credential }: Grant) => {
        const end = { session_id, turn_id, epoch, status: 'completed' };
        const { code } = await this.call('POST', '/v1/admin/sessions/streams/complete', credential, end);
        if (code) throw new Error(code);
      },
      detach: async ({ session_id, turn_id, epoch, credential }: Grant) => {
        const detach = { session_id, turn_id, epoch, reason: 'drain' };
        const { code } = await this.call('POST', '/v1/admin/sessions/streams/detach', credential, detach);
        if (code) throw new Error(code);
      },
    };
  }
}

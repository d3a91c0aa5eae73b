import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { Injectable, type Type } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { principalOf, SessionAccess } from '@holdfast/platform-auth';
import { isDomainError } from '@holdfast/platform-errors';
import {
  JsonMalformed,
  readBody,
  RequestInvalid,
  RequestValidationPipe,
  TooManyBodies,
  writeHead,
  type DirectRequest,
} from '@holdfast/platform-http';
import { SaveNativeFlow } from '@holdfast/sessions';
import {
  MAX_ENVELOPE_BYTES,
  MAX_PART_BYTES,
  NativeContent,
  SessionNativeContentSelector,
  SessionNativeEnvelopeSet,
  SessionNativePart,
  SessionNativeSavePath,
  TooManyDownloads,
  TranscriptTooLarge,
  type NativeDownload,
} from '@holdfast/sessions-transcripts';
import { readerOf } from './native-access.js';
import { Places } from './places.js';

/** Whoever is let in is so once: nothing here stays open to be watched. */
type NativeRequest = Omit<DirectRequest, 'admit'>;
type Handle = (request: NativeRequest, response: ServerResponse) => Promise<void>;

/** Downloads at a time, of all projects and of one: an archive holds less than 2 MiB, an envelope some of its chunks. */
const ARCHIVES = { inAll: 128, ofProject: 32 };
const ENVELOPES = { inAll: 16, ofProject: 8 };
/** Envelopes that come in at a time: each is in memory as a whole, several times over. */
const ENVELOPES_IN = { inAll: 4, ofProject: 2 };
/** What may be held of parts that have come and are on their way into the store. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;
/** How long a reader may take nothing, before it is cut off. */
const STANDSTILL_MS = 60_000;

/** How much of a body that is too large is taken, only to be answered. */
const MAX_PASSED_OVER_BYTES = 64 * 1024 * 1024;

const SAVE_OF_PARTS = /\/saves\/([^/]+)\/parts$/;

/** The operations whose bodies are no small JSON: parts and envelopes that come, content that goes. */
@Injectable()
export class NativeBodies {
  private readonly validation = new RequestValidationPipe();
  private readonly archives = new Places(ARCHIVES, (limit) => TooManyDownloads({ limit }));
  private readonly envelopes = new Places(ENVELOPES, (limit) => TooManyDownloads({ limit }));
  private readonly envelopesIn = new Places(ENVELOPES_IN, (limit) =>
    TooManyBodies({ limit_bytes: limit * MAX_ENVELOPE_BYTES }),
  );
  private heldBytes = 0;

  constructor(
    private readonly saveFlow: SaveNativeFlow,
    private readonly content: NativeContent,
    private readonly access: SessionAccess,
  ) {}

  async append(request: NativeRequest, response: ServerResponse): Promise<void> {
    const { raw, path, search, principal } = request;
    const { save_id } = await this.valid(SessionNativeSavePath, { save_id: SAVE_OF_PARTS.exec(path)?.[1] });
    const part = await this.valid(SessionNativePart, queryOf(search));
    if (this.heldBytes > MAX_HELD_BYTES) throw TooManyBodies({ limit_bytes: MAX_HELD_BYTES });
    const body = await bodyOf(raw, 'A part', MAX_PART_BYTES);
    this.heldBytes += body.length;
    try {
      answer(response, await this.saveFlow.append(principal, save_id, part, body));
    } finally {
      this.heldBytes -= body.length;
    }
  }

  async setEnvelope({ raw, search, principal }: NativeRequest, response: ServerResponse): Promise<void> {
    const set = await this.valid(SessionNativeEnvelopeSet, queryOf(search));
    // What a turn's credential is for, the save says.
    if (principal.kind === 'user') await this.access.require(principal, set.session_id, 'executor');
    const version = await this.envelopesIn.during(principal.project_id, async () => {
      const json = parseJson(await bodyOf(raw, 'An envelope', MAX_ENVELOPE_BYTES));
      return await this.saveFlow.setEnvelope(principal, set, json);
    });
    answer(response, version, { etag: `"${version.version}"` });
  }

  async read({ search, principal }: NativeRequest, response: ServerResponse): Promise<void> {
    const selector = await this.valid(SessionNativeContentSelector, queryOf(search));
    const places = selector.as === 'envelope' ? this.envelopes : this.archives;
    await places.during(principal.project_id, async () => {
      await this.send(await this.content.open(readerOf(principal, this.access), selector), response);
    });
  }

  private async send(download: NativeDownload, response: ServerResponse): Promise<void> {
    const { type, bytes, version, name, pieces } = download;
    response.setTimeout(STANDSTILL_MS, () => response.destroy());
    writeHead(response, 200, {
      'content-type': type,
      'content-disposition': `attachment; filename="${name}"`,
      etag: `"${version}"`,
      ...(bytes !== undefined && { 'content-length': bytes }),
    });
    await pipeline(pieces, response).catch((error: unknown) => {
      if (!isGone(error)) throw error;
    });
  }

  /** For the framework, which the direct lane leaves nothing of this: the same handler. */
  async takeOver(request: FastifyRequest, reply: FastifyReply, handle: Handle): Promise<void> {
    const { raw, method, url } = request;
    const [path, search = ''] = url.split('?', 2) as [string, string?];
    void reply.hijack();
    await handle({ raw, method, path, search, principal: principalOf(request) }, reply.raw);
  }

  private valid<T extends object>(metatype: Type<T>, plain: object): Promise<T> {
    return this.validation.transform(plain, { type: 'query', metatype }) as Promise<T>;
  }
}

function queryOf(search: string): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(search)) {
    if (Object.hasOwn(query, name)) throw RequestInvalid({ errors: [{ pointer: `/${name}`, detail: 'given twice' }] });
    Object.defineProperty(query, name, { value, enumerable: true });
  }
  return query;
}

/** Errors: transcript_too_large instead of body_too_large. */
async function bodyOf(raw: IncomingMessage, what: string, limit_bytes: number): Promise<Buffer> {
  try {
    return await readBody(raw, limit_bytes);
  } catch (error) {
    if (!isDomainError(error, 'body_too_large')) throw error;
    await passOver(raw);
    throw TranscriptTooLarge({ what, limit_bytes });
  }
}

/** Lets whoever sends finish: a connection that is closed on a sender takes the answer with it. */
async function passOver(raw: IncomingMessage): Promise<void> {
  if (raw.destroyed) return;
  let bytes = 0;
  await new Promise<void>((resolve) => {
    raw.once('end', resolve).once('close', resolve);
    raw.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > MAX_PASSED_OVER_BYTES) resolve();
    });
  });
}

/** Whoever asked does not want the rest. */
const isGone = (error: unknown) => (error as { code?: string }).code === 'ERR_STREAM_PREMATURE_CLOSE';

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw JsonMalformed();
  }
}

function answer(response: ServerResponse, body: object, headers: Record<string, string> = {}): void {
  writeHead(response, 200, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(body));
}

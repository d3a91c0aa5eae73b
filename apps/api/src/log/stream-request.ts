import type { IncomingHttpHeaders } from 'node:http';
import {
  AppendMalformed,
  normalizeContentType,
  splitMessages,
  StreamCreateInvalid,
  type LogAppend,
  type LogCreate,
  type LogFork,
  type LogKey,
  type LogLifetime,
  type Producer,
} from '@holdfast/durable-streams';
import { sourcePathOf } from './stream-path.js';

const NO_BODY = Buffer.alloc(0);

/** What a PUT asks for. Errors: stream_create_invalid, stream_path_invalid. */
export function parseCreate(key: LogKey, headers: IncomingHttpHeaders, body: Buffer | undefined): LogCreate {
  const contentType = headers['content-type'];
  return {
    ...key,
    content_type: contentType === undefined ? undefined : parseContentType(contentType, StreamCreateInvalid),
    lifetime: parseLifetime(text(headers, 'stream-ttl'), text(headers, 'stream-expires-at')),
    closed: isClosing(headers),
    fork: parseFork(headers),
    body: body ?? NO_BODY,
  };
}

/** RFC 9110, section 8.3.1; what follows the type is its sender's. */
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/;
const MAX_CONTENT_TYPE_CHARACTERS = 256;

/** Every answer of the stream repeats it. */
function parseContentType(header: string, refusal: typeof StreamCreateInvalid): string {
  if (MEDIA_TYPE.test(header) && header.length <= MAX_CONTENT_TYPE_CHARACTERS) return normalizeContentType(header);
  throw refusal({
    reason: `Content-Type is a media type such as application/json, of at most ${MAX_CONTENT_TYPE_CHARACTERS} characters.`,
  });
}

const TTL = /^(0|[1-9]\d{0,9})$/;
/** RFC 3339, section 5.6. */
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

function parseLifetime(ttl: string | undefined, expiresAt: string | undefined): LogLifetime {
  if (ttl !== undefined && expiresAt !== undefined) {
    throw StreamCreateInvalid({ reason: 'Give Stream-TTL or Stream-Expires-At, not both.' });
  }
  if (ttl !== undefined) {
    if (!TTL.test(ttl)) {
      throw StreamCreateInvalid({ reason: 'Stream-TTL is a number of seconds: digits without sign or leading zeros.' });
    }
    return { ttl_seconds: Number(ttl) };
  }
  if (expiresAt === undefined) return undefined;
  const expires_at = new Date(expiresAt);
  if (!RFC_3339.test(expiresAt) || Number.isNaN(expires_at.getTime()) || !isDay(expiresAt.slice(0, 10))) {
    throw StreamCreateInvalid({
      reason: 'Stream-Expires-At is a time as in RFC 3339, for example 2030-01-31T12:00:00Z.',
    });
  }
  return { expires_at };
}

/** `Date` takes the 30th of February for a day in March. */
const isDay = (day: string): boolean => new Date(day).toISOString().startsWith(day);

const SUB_OFFSET = /^(0|[1-9]\d{0,14})$/;

function parseFork(headers: IncomingHttpHeaders): LogFork | undefined {
  const source = text(headers, 'stream-forked-from');
  const offset = text(headers, 'stream-fork-offset');
  const subOffset = text(headers, 'stream-fork-sub-offset');
  if (source === undefined) {
    if (offset === undefined && subOffset === undefined) return undefined;
    throw StreamCreateInvalid({ reason: 'Stream-Fork-Offset and Stream-Fork-Sub-Offset need Stream-Forked-From.' });
  }
  if (subOffset !== undefined && !SUB_OFFSET.test(subOffset)) {
    throw StreamCreateInvalid({ reason: 'Stream-Fork-Sub-Offset is a whole number, 0 or more.' });
  }
  const sub_offset = Number(subOffset ?? 0);
  if (sub_offset > 0 && offset === undefined) {
    throw StreamCreateInvalid({ reason: 'Stream-Fork-Sub-Offset needs Stream-Fork-Offset.' });
  }
  return { source_path: sourcePathOf(source), offset, sub_offset };
}

/** What a POST asks for. Errors: append_malformed, message_too_large. */
export function parseAppend(key: LogKey, headers: IncomingHttpHeaders, body: Buffer = NO_BODY): LogAppend {
  const { project_id, path } = key;
  const close = isClosing(headers);
  const producer = parseProducer(headers);
  const seq = text(headers, 'stream-seq');
  if (body.length === 0) {
    if (close) return { project_id, path, close, producer, seq, messages: [] };
    throw AppendMalformed({ reason: 'Nothing to append. Send a body, or "Stream-Closed: true" to close the stream.' });
  }
  const contentType = headers['content-type'];
  if (contentType === undefined) throw AppendMalformed({ reason: 'Say with Content-Type what the body is.' });
  const content_type = parseContentType(contentType, AppendMalformed);
  const messages = splitMessages(content_type, body);
  if (messages.length === 0) throw AppendMalformed({ reason: 'An empty array holds no message to append.' });
  return { project_id, path, close, producer, seq, content_type, messages };
}

const INTEGER = /^\d{1,16}$/;
const MAX_PRODUCER_ID_BYTES = 256;

function parseProducer(headers: IncomingHttpHeaders): Producer | undefined {
  const id = text(headers, 'producer-id');
  const epoch = text(headers, 'producer-epoch');
  const seq = text(headers, 'producer-seq');
  if (id === undefined && epoch === undefined && seq === undefined) return undefined;
  if (id === undefined || epoch === undefined || seq === undefined) {
    throw AppendMalformed({ reason: 'Producer-Id, Producer-Epoch and Producer-Seq come together or not at all.' });
  }
  if (id === '' || Buffer.byteLength(id) > MAX_PRODUCER_ID_BYTES) {
    throw AppendMalformed({ reason: `Producer-Id has from 1 to ${MAX_PRODUCER_ID_BYTES} bytes.` });
  }
  return { id, epoch: parseInteger(epoch), seq: parseInteger(seq) };
}

function parseInteger(header: string): number {
  const value = INTEGER.test(header) ? Number(header) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw AppendMalformed({ reason: 'Producer-Epoch and Producer-Seq are integers from 0 to 2^53 - 1.' });
}

/** Any other value counts as absent (Durable Streams, "Stream Closure"). */
const isClosing = (headers: IncomingHttpHeaders): boolean =>
  text(headers, 'stream-closed')?.trim().toLowerCase() === 'true';

/** Node joins a repeated header with commas, which no value of ours survives. */
const text = (headers: IncomingHttpHeaders, name: string): string | undefined => headers[name] as string | undefined;

const HEAD = 0;
const BODY = 1;
const CHUNK_SIZE = 2;
const CHUNK = 3;
const CHUNK_END = 4;
const LAST_CHUNK_END = 5;

const END_OF_HEAD = '\r\n\r\n';
const NEWLINE = 10;
const WITHOUT_BODY = new Set([204, 304]);

/**
 * Takes the bytes of a connection apart into HTTP/1.1 responses (RFC 9112): as much of it as a server of JSON and event
 * streams sends, at a fraction of the cost of node:http, so that the load does not measure itself. Bodies are chunked or
 * have a length; there are no trailers.
 *
 * `onHead(status, head)`, `onBody(buffer, start, end)` and `onEnd()` are called in the order of the bytes. The buffer is
 * only lent for the time of the call.
 */
export class ResponseParser {
  #handler;
  #state = HEAD;
  #left = 0;
  #unfinishedHead;

  constructor(handler) {
    this.#handler = handler;
  }

  feed(buffer, end) {
    let at = 0;
    while (at < end) at = this.#step(buffer, at, end);
  }

  #step(buffer, at, end) {
    switch (this.#state) {
      case HEAD:
        return this.#readHead(buffer, at, end);
      case BODY:
      case CHUNK:
        return this.#readBody(buffer, at, end);
      case CHUNK_SIZE:
        return this.#readChunkSize(buffer, at);
      default:
        return this.#readLineEnd(buffer, at);
    }
  }

  #readHead(buffer, at, end) {
    const known = this.#unfinishedHead?.length ?? 0;
    const text = (this.#unfinishedHead ?? '') + buffer.latin1Slice(at, end);
    const headEnd = text.indexOf(END_OF_HEAD);
    if (headEnd === -1) {
      this.#unfinishedHead = text;
      return end;
    }
    this.#unfinishedHead = undefined;
    const head = text.slice(0, headEnd + 2);
    const status = Number(head.slice(9, 12));
    this.#handler.onHead(status, head);
    this.#expectBody(status, head);
    return at + headEnd + END_OF_HEAD.length - known;
  }

  #expectBody(status, head) {
    const length = headerOf(head, 'content-length');
    if (WITHOUT_BODY.has(status) || length === '0') return this.#finish();
    if (length !== undefined) {
      this.#left = Number(length);
      this.#state = BODY;
    } else if (headerOf(head, 'transfer-encoding') === 'chunked') {
      this.#left = 0;
      this.#state = CHUNK_SIZE;
    } else {
      throw new Error(`a response without a length:\n${head}`);
    }
  }

  #readBody(buffer, at, end) {
    const stop = Math.min(end, at + this.#left);
    this.#left -= stop - at;
    this.#handler.onBody(buffer, at, stop);
    if (this.#left === 0) {
      if (this.#state === CHUNK) this.#state = CHUNK_END;
      else this.#finish();
    }
    return stop;
  }

  /** Hexadecimal digits, then whatever there is up to the end of the line. */
  #readChunkSize(buffer, at) {
    const byte = buffer[at];
    if (byte === NEWLINE) this.#state = this.#left === 0 ? LAST_CHUNK_END : CHUNK;
    else if (byte >= 48 && byte <= 57) this.#left = this.#left * 16 + byte - 48;
    else if (byte >= 97 && byte <= 102) this.#left = this.#left * 16 + byte - 87;
    else if (byte >= 65 && byte <= 70) this.#left = this.#left * 16 + byte - 55;
    return at + 1;
  }

  #readLineEnd(buffer, at) {
    if (buffer[at] === NEWLINE) {
      if (this.#state === LAST_CHUNK_END) this.#finish();
      else this.#state = CHUNK_SIZE;
    }
    return at + 1;
  }

  #finish() {
    this.#state = HEAD;
    this.#handler.onEnd();
  }
}

/** The value of a header, or undefined. `head` ends with a line break; `name` is in lower case. */
export function headerOf(head, name) {
  const lower = head.toLowerCase();
  const at = lower.indexOf(`\r\n${name}:`);
  if (at === -1) return undefined;
  const start = at + name.length + 3;
  return head.slice(start, head.indexOf('\r\n', start)).trim();
}

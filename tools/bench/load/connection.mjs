import { once } from 'node:events';
import { connect } from 'node:net';
import { ResponseParser } from './response-parser.mjs';

/** All connections of this process read into the same memory: what arrives is used up before the next one reads. */
const shared = Buffer.allocUnsafeSlow(256 * 1024);
const ERROR_TEXT_BYTES = 500;

/** Opens a socket whose bytes go to `onBytes(buffer, length)`; the buffer is only lent for the time of the call. */
export async function openSocket(port, onBytes) {
  const onread = {
    buffer: shared,
    callback(length, buffer) {
      onBytes(buffer, length);
      return true;
    },
  };
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
  await once(socket, 'connect');
  return socket;
}

/**
 * A kept-alive connection. Requests may be sent before earlier ones are answered (pipelining); answers come in order.
 * A status of 400 or more, and a connection that ends, fail the request.
 */
export class Connection {
  #socket;
  #waiting = [];
  #response;

  static async open(port) {
    const connection = new Connection();
    await connection.#open(port);
    return connection;
  }

  async #open(port) {
    const parser = new ResponseParser({
      onHead: (status, head) => this.#onHead(status, head),
      onBody: (buffer, start, end) => this.#onBody(buffer, start, end),
      onEnd: () => this.#onEnd(),
    });
    this.#socket = await openSocket(port, (buffer, length) => parser.feed(buffer, length));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  /**
   * Resolves to `{ status, head, bodyBytes, firstByteAt, text }`: `firstByteAt` is when the first byte of the answer was
   * there (performance.now()), `text` the body where `keepText` asks for it.
   */
  request(bytes, { keepText = false } = {}) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject, keepText });
      this.#socket.write(bytes, 'latin1');
    });
  }

  close() {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #onHead(status, head) {
    this.#response = { status, head, bodyBytes: 0, firstByteAt: performance.now(), text: '' };
  }

  #onBody(buffer, start, end) {
    const response = this.#response;
    response.bodyBytes += end - start;
    if (this.#waiting[0].keepText) response.text += buffer.latin1Slice(start, end);
    else if (response.status >= 400)
      response.text += buffer.latin1Slice(start, Math.min(end, start + ERROR_TEXT_BYTES));
  }

  #onEnd() {
    const { resolve, reject } = this.#waiting.shift();
    const response = this.#response;
    if (response.status < 400) resolve(response);
    else reject(new Error(`the server answered ${response.status}: ${response.text}`));
  }

  #fail(error) {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

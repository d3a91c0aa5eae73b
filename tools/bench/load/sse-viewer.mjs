import { openSocket } from './connection.mjs';
import { eachEventNumber } from './event.mjs';
import { EventSplitter } from './event-splitter.mjs';
import { readRequest } from './requests.mjs';
import { ResponseParser } from './response-parser.mjs';

const CONTROL = /^event: ?control$/m;

/**
 * One viewer of a stream by SSE. It checks what it gets: the numbers of the events must follow each other without a gap,
 * a repetition or a change of order.
 */
export class SseViewer {
  /** When the connection was asked for, opened, and answered (performance.now()). */
  askedAt;
  connectedAt;
  firstByteAt;
  received = 0;
  /** Events whose number was not the one after the one before. */
  disorders = 0;
  /** Why it ended, once it has. */
  ending;
  onEvent = () => undefined;
  onControl = () => undefined;
  /** It ended, and not by `close`. */
  onFailure = () => undefined;

  #socket;
  #next;

  /** Joins at `offset`; the first event must have the number `next`. */
  async join(server, path, offset, next) {
    this.#next = next;
    this.askedAt = performance.now();
    const events = new EventSplitter((event) => this.#hear(event));
    const parser = new ResponseParser({
      onHead: (status) => {
        this.firstByteAt = performance.now();
        if (status !== 200) this.#fail(`the server answered ${status}`);
      },
      onBody: (buffer, start, end) => events.feed(buffer, start, end),
      onEnd: () => this.#fail('the server ended the response'),
    });
    try {
      this.#socket = await openSocket(server.port, (buffer, length) => parser.feed(buffer, length));
    } catch (error) {
      return this.#fail(error.message);
    }
    this.connectedAt = performance.now();
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('close', () => this.#fail('the server closed the connection'));
    this.#socket.write(readRequest(server, path, offset, 'sse'), 'latin1');
  }

  close() {
    this.ending ??= 'closed';
    this.#socket?.destroy();
  }

  #hear(event) {
    if (CONTROL.test(event)) return this.onControl(event);
    eachEventNumber(event, (n) => {
      if (n !== this.#next) this.disorders += 1;
      this.#next = n + 1;
      this.received += 1;
      this.onEvent(n);
    });
  }

  #fail(reason) {
    if (this.ending) return;
    this.ending = reason;
    this.onFailure(reason);
  }
}

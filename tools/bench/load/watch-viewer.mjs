import { openSocket } from './connection.mjs';
import { EventSplitter } from './event-splitter.mjs';
import { appendRequest } from './requests.mjs';
import { ResponseParser } from './response-parser.mjs';

const WATCH = '/v1/sessions/streams/watch';
const FRAME = /^event: data\ndata: \{"(session|task)_id":"([^"]+)","next_offset":"([^"]+)"/;

/**
 * One viewer of many logs on one connection: it watches again, from where it is, whenever that ends, and so loses and
 * doubles nothing. `server.authorization` is its credential.
 */
export class WatchViewer {
  /** How often a connection ended, and was opened again. */
  returns = 0;
  /** Called with each frame of a log: what the log is of, its id, and the frame's text. */
  onFrame = () => undefined;
  /** Why it gave up, once it has. */
  failure;

  #server;
  /** By the ids of sessions, and of tasks whose activity is watched: the offset to go on from. */
  #places;
  #silent;
  #onAllHeard;
  #socket;
  #isClosed = false;

  constructor(server, { session_ids, task_ids }) {
    this.#server = server;
    const fromStart = (ids) => new Map(ids.map((id) => [id, '-1']));
    this.#places = { session: fromStart(session_ids), task: fromStart(task_ids) };
    this.#silent = new Set([...session_ids, ...task_ids]);
  }

  /** Resolves when every log has been heard of. */
  async start() {
    const allHeard = new Promise((resolve) => (this.#onAllHeard = resolve));
    await this.#watch();
    await allHeard;
  }

  close() {
    this.#isClosed = true;
    this.#socket?.destroy();
  }

  async #watch() {
    const frames = new EventSplitter((event) => this.#hear(event));
    let refusal;
    const parser = new ResponseParser({
      onHead: (status) => (refusal = status === 200 ? undefined : `the server answered ${status}: `),
      onBody: (buffer, start, end) => {
        if (refusal === undefined) frames.feed(buffer, start, end);
        else refusal += buffer.latin1Slice(start, end);
      },
      onEnd: () => (refusal === undefined ? this.#comeAgain(socket) : this.#fail(refusal)),
    });
    const socket = await openSocket(this.#server.port, (buffer, length) => parser.feed(buffer, length));
    this.#socket = socket;
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => socket === this.#socket && this.#fail('the server closed the connection'));
    socket.write(appendRequest(this.#server, WATCH, this.#body()), 'latin1');
  }

  #body() {
    const list = (kind, name) => [...this.#places[kind]].map(([id, offset]) => ({ [name]: id, offset }));
    return JSON.stringify({ sessions: list('session', 'session_id'), activities: list('task', 'task_id') });
  }

  #comeAgain(socket) {
    if (this.#isClosed) return;
    this.returns += 1;
    this.#socket = undefined;
    socket.destroy();
    this.#watch().catch((error) => this.#fail(error.message));
  }

  #hear(event) {
    const [, kind, id, offset] = FRAME.exec(event) ?? [];
    if (kind === undefined) {
      if (event.startsWith('event: problem')) this.#fail(event);
      return;
    }
    this.#places[kind].set(id, offset);
    this.onFrame(kind, id, event);
    if (this.#silent.delete(id) && this.#silent.size === 0) this.#onAllHeard();
  }

  #fail(reason) {
    if (this.#isClosed) return;
    this.failure ??= reason;
    this.close();
    this.#onAllHeard();
  }
}

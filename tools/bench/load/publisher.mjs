import { setTimeout as sleep } from 'node:timers/promises';
import { Durations } from '../statistics.mjs';
import { Connection } from './connection.mjs';
import { eventJson } from './event.mjs';
import { appendRequest } from './requests.mjs';
import { headerOf } from './response-parser.mjs';

/**
 * A producer that publishes at a fixed rate whether or not earlier events are answered, in order, on one connection: a
 * slow server falls behind instead of being asked for less.
 */
export class Publisher {
  /** From an event's way into the socket until its answer. */
  acknowledgements = new Durations();
  /** The offset after the last event answered, if any was. */
  tail;
  /** Why an event was not taken, if one was not. */
  failure;
  /** How late the latest event was, against its time, by this process's own fault. */
  lag_ms = 0;

  #server;
  #path;
  #next;
  #first;
  #sentAt = [];
  #connection;
  #answers = [];

  static async open(server, path, next) {
    const publisher = new Publisher();
    publisher.#server = server;
    publisher.#path = path;
    publisher.#next = publisher.#first = next;
    publisher.#connection = await Connection.open(server.port);
    return publisher;
  }

  /** The number of the event that comes next. */
  get next() {
    return this.#next;
  }

  /** When event `n` went into the socket (performance.now()). */
  sentAt(n) {
    return this.#sentAt[n - this.#first];
  }

  /** Publishes for `seconds`, at `rate` a second. */
  async publish(seconds, rate) {
    const startedAt = performance.now();
    const interval = 1000 / rate;
    const count = Math.round(seconds * rate);
    for (let index = 0; index < count; index += 1) {
      const dueAt = startedAt + index * interval;
      const early = dueAt - performance.now();
      if (early > 0) await sleep(Math.ceil(early));
      this.lag_ms = Math.max(this.lag_ms, performance.now() - dueAt);
      this.#send();
    }
    await sleep(Math.max(0, startedAt + seconds * 1000 - performance.now()));
  }

  #send() {
    const sentAt = performance.now();
    this.#sentAt.push(sentAt);
    const request = appendRequest(this.#server, this.#path, eventJson(this.#next++));
    const answer = this.#connection.request(request).then(
      ({ head }) => {
        this.acknowledgements.add(performance.now() - sentAt);
        this.tail = headerOf(head, 'stream-next-offset');
      },
      (error) => (this.failure ??= error.message),
    );
    this.#answers.push(answer);
  }

  /** Resolves when every event is answered. */
  async answered() {
    await Promise.all(this.#answers);
  }

  close() {
    this.#connection.close();
  }
}

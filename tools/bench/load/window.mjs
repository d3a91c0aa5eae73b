import { setTimeout as sleep } from 'node:timers/promises';

/** The time in which samples count: after a warm-up, with both ends told to whoever watches the processor. */
export class Window {
  isOpen = false;
  isOver = false;
  /** How long it was open. */
  seconds = 0;
  #openedAt = Infinity;
  #closedAt = Infinity;

  async pass({ warmUpSeconds, seconds, mark }) {
    await sleep(warmUpSeconds * 1000);
    await mark('start');
    this.#openedAt = performance.now();
    this.isOpen = true;
    await sleep(seconds * 1000);
    this.isOpen = false;
    this.#closedAt = performance.now();
    this.seconds = (this.#closedAt - this.#openedAt) / 1000;
    await mark('end');
    this.isOver = true;
  }

  /** Whether something that began at a time (performance.now()) counts. */
  contains(at) {
    return at >= this.#openedAt && at < this.#closedAt;
  }
}

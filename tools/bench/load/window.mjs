import { setTimeout as sleep } from 'node:timers/promises';

/** The time in which samples count: after a warm-up, with both ends told to whoever watches the processor. */
export class Window {
  isOpen = false;
  isOver = false;
  /** How long it was open. */
  seconds = 0;

  async pass({ warmUpSeconds, seconds, mark }) {
    await sleep(warmUpSeconds * 1000);
    await mark('start');
    const openedAt = performance.now();
    this.isOpen = true;
    await sleep(seconds * 1000);
    this.isOpen = false;
    this.seconds = (performance.now() - openedAt) / 1000;
    await mark('end');
    this.isOver = true;
  }
}

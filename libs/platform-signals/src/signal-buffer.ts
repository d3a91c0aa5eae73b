import { Logger } from '@nestjs/common';
import { MAX_PAYLOAD_BYTES } from './signals.js';

export interface Signal {
  channel: string;
  payload: string;
}

/** Sends signals in their order; rejects when they are lost. */
export type SendSignals = (signals: Signal[]) => Promise<void>;

/** Long enough to gather what one moment causes, short enough not to be felt. */
const GATHER_MS = 3;
const MAX_WAITING = 10_000;
const MAX_CHANNEL_BYTES = 512;
const WARN_EVERY_MS = 10_000;

/** Gathers signals for a moment, makes equal ones one, and sends one batch at a time. Holds at most 10 000. */
export class SignalBuffer {
  private readonly logger = new Logger('Signals');
  private waiting = new Map<string, Signal>();
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> = Promise.resolve();
  private isSending = false;
  private dropped = 0;
  private warnedAt = -Infinity;

  constructor(
    private readonly send: SendSignals,
    private readonly isConnected: () => boolean,
  ) {}

  add(channel: string, payload: string): void {
    const isTooLong = Buffer.byteLength(channel) > MAX_CHANNEL_BYTES;
    if (isTooLong || !this.isConnected() || this.waiting.size >= MAX_WAITING) return this.drop(1);

    const signal = { channel, payload: fits(payload) ? payload : '' };
    this.waiting.set(JSON.stringify([channel, signal.payload]), signal);
    this.schedule();
  }

  /** Sends what waits; then nothing is under way any more. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.sending;
    await this.sendWaiting();
  }

  private schedule(): void {
    if (this.timer || this.isSending) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.sending = this.sendWaiting();
    }, GATHER_MS);
  }

  private async sendWaiting(): Promise<void> {
    if (this.waiting.size === 0) return;
    const batch = [...this.waiting.values()];
    this.waiting = new Map();
    this.isSending = true;
    await this.send(batch).catch((error: Error) => this.drop(batch.length, error));
    this.isSending = false;
    if (this.waiting.size > 0) this.schedule();
  }

  private drop(count: number, reason?: Error): void {
    this.dropped += count;
    if (performance.now() - this.warnedAt < WARN_EVERY_MS) return;
    this.logger.warn({ event: 'signals.dropped', count: this.dropped, reason: reason?.message });
    this.warnedAt = performance.now();
    this.dropped = 0;
  }
}

/** JSON text has at least a byte per character: longer payloads need no encoding to be refused. */
function fits(payload: string): boolean {
  return payload.length <= MAX_PAYLOAD_BYTES && Buffer.byteLength(JSON.stringify(payload)) <= MAX_PAYLOAD_BYTES;
}

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
    if (isLongerThan(MAX_CHANNEL_BYTES, channel) || !this.isConnected() || this.waiting.size >= MAX_WAITING)
      return this.drop(1);

    const signal = { channel, payload: fits(payload) ? payload : '' };
    this.waiting.set(`${channel.length} ${channel}${signal.payload}`, signal);
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

/** Bytes of UTF-8 for one of UTF-16, and of JSON text (`\u0000`). */
const [LONGEST_CHARACTER, LONGEST_ESCAPE] = [3, 6];
const QUOTES = 2;

/** Whether its UTF-8 is; nothing is encoded for what is short or long enough in any case. */
function isLongerThan(limit: number, text: string): boolean {
  return text.length > limit || (text.length * LONGEST_CHARACTER > limit && Buffer.byteLength(text) > limit);
}

function fits(payload: string): boolean {
  if (payload.length * LONGEST_ESCAPE + QUOTES <= MAX_PAYLOAD_BYTES) return true;
  return payload.length <= MAX_PAYLOAD_BYTES && !isLongerThan(MAX_PAYLOAD_BYTES, JSON.stringify(payload));
}

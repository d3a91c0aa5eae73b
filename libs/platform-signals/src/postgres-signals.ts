import { Logger, type OnApplicationShutdown } from '@nestjs/common';
import type pg from 'pg';
import { PostgresLink } from './postgres-link.js';
import { SignalBuffer, type Signal } from './signal-buffer.js';
import { SignalListeners } from './signal-listeners.js';
import { Signals } from './signals.js';

const NOTIFY_CHANNEL = 'holdfast_signals';
/** PostgreSQL takes payloads shorter than 8000 bytes. */
const MAX_BATCH_BYTES = 7_999;

/**
 * Signals by `LISTEN/NOTIFY`: all of them on one PostgreSQL channel, many in one notification. `NOTIFY` makes commits
 * wait for each other, so it has a connection of its own and is no part of anybody's transaction.
 */
export class PostgresSignals extends Signals implements OnApplicationShutdown {
  private readonly logger = new Logger('Signals');
  private readonly listeners = new SignalListeners();
  private readonly buffer = new SignalBuffer(
    (signals) => this.notify(signals),
    () => this.publishing.isLive,
  );
  private listening!: PostgresLink;
  private publishing!: PostgresLink;

  private constructor() {
    super();
  }

  /** @param url A direct connection: a pooler in transaction mode cannot `LISTEN`. */
  static async connect(url: string): Promise<PostgresSignals> {
    const signals = new PostgresSignals();
    [signals.listening, signals.publishing] = await Promise.all([
      PostgresLink.open(
        url,
        'holdfast-signals-listen',
        (client) => signals.listen(client),
        () => signals.listeners.announceGap(),
      ),
      PostgresLink.open(
        url,
        'holdfast-signals-publish',
        async () => undefined,
        () => undefined,
      ),
    ]);
    return signals;
  }

  publish(channel: string, payload: string): void {
    this.buffer.add(channel, payload);
  }

  async subscribe(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>> {
    const remove = this.listeners.add(channel, listener);
    return async () => void remove();
  }

  onGap(listener: () => void): () => void {
    return this.listeners.addGap(listener);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.buffer.flush();
    await Promise.all([this.listening.close(), this.publishing.close()]);
  }

  private async listen(client: pg.Client): Promise<void> {
    client.on('notification', ({ payload }) => this.deliver(payload ?? ''));
    await client.query(`LISTEN ${NOTIFY_CHANNEL}`);
  }

  private async notify(signals: Signal[]): Promise<void> {
    await this.publishing.query('SELECT pg_notify($1, batch) FROM unnest($2::text[]) batch', [
      NOTIFY_CHANNEL,
      batches(signals),
    ]);
  }

  private deliver(batch: string): void {
    for (const [channel, payload] of this.parse(batch)) this.listeners.deliver(channel, payload);
  }

  private parse(batch: string): [string, string][] {
    try {
      return JSON.parse(batch) as [string, string][];
    } catch {
      this.logger.error({ event: 'signals.unreadable', batch: batch.slice(0, 100) });
      return [];
    }
  }
}

/** JSON arrays of [channel, payload], each as long as it may be. The limits of both make any one signal fit. */
function batches(signals: Signal[]): string[] {
  const texts: string[] = [];
  let entries: string[] = [];
  let bytes = 0;
  for (const { channel, payload } of signals) {
    const entry = JSON.stringify([channel, payload]);
    const size = Buffer.byteLength(entry) + 1;
    if (bytes + size + 1 > MAX_BATCH_BYTES) {
      texts.push(`[${entries.join()}]`);
      entries = [];
      bytes = 0;
    }
    entries.push(entry);
    bytes += size;
  }
  return [...texts, `[${entries.join()}]`];
}

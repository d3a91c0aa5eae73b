import type { OnApplicationShutdown } from '@nestjs/common';
import { createRedis, type Redis } from '@holdfast/platform-redis';
import { SignalBuffer, type Signal } from './signal-buffer.js';
import { SignalListeners } from './signal-listeners.js';
import { Signals } from './signals.js';

const PREFIX = 'holdfast:signals:';
const PROBE_EVERY_MS = 15_000;

/** One command for many signals: a command each costs its sender several times as much. */
const PUBLISH_ALL = `for at = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[at], ARGV[at + 1]) end`;
/** Little, since Redis does nothing else meanwhile. */
const PUBLISHED_AT_ONCE = 500;

/** Signals by Redis pub/sub: a Redis channel each, so that a process receives only what it listens to. */
export class RedisSignals extends Signals implements OnApplicationShutdown {
  private readonly listeners = new SignalListeners();
  private readonly subscriber: Redis;
  private readonly publisher: Redis;
  private readonly buffer = new SignalBuffer(
    (signals) => this.send(signals),
    () => this.publisher.status === 'ready',
  );
  private readonly probe: NodeJS.Timeout;

  private constructor(url: string) {
    super();
    this.subscriber = createRedis(url, { name: 'holdfast-signals-subscribe', whileAway: 'fail' });
    this.publisher = createRedis(url, { name: 'holdfast-signals-publish', whileAway: 'fail' });
    this.subscriber.on('message', (channel, payload) => this.listeners.deliver(channel.slice(PREFIX.length), payload));
    this.subscriber.on('ready', () => void this.renewSubscriptions());
    this.probe = setInterval(() => [this.subscriber, this.publisher].forEach(probe), PROBE_EVERY_MS);
  }

  /** Resolves after the first attempt to connect, whether it succeeded or not. */
  static async connect(url: string): Promise<RedisSignals> {
    const signals = new RedisSignals(url);
    await Promise.all([firstAttempt(signals.subscriber), firstAttempt(signals.publisher)]);
    return signals;
  }

  publish(channel: string, payload: string): void {
    this.buffer.add(channel, payload);
  }

  async subscribe(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>> {
    const remove = this.listeners.add(channel, listener);
    await this.subscriber.subscribe(PREFIX + channel).catch(() => reconnect(this.subscriber));
    return async () => {
      if (remove()) await this.subscriber.unsubscribe(PREFIX + channel).catch(() => reconnect(this.subscriber));
    };
  }

  onGap(listener: () => void): () => void {
    return this.listeners.addGap(listener);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.probe);
    await this.buffer.flush();
    this.subscriber.disconnect();
    this.publisher.disconnect();
  }

  private async renewSubscriptions(): Promise<void> {
    const channels = this.listeners.channels().map((channel) => PREFIX + channel);
    try {
      if (channels.length > 0) await this.subscriber.subscribe(...channels);
      this.listeners.announceGap();
    } catch {
      reconnect(this.subscriber);
    }
  }

  private async send(signals: Signal[]): Promise<void> {
    for (let from = 0; from < signals.length; from += PUBLISHED_AT_ONCE) {
      const batch = signals.slice(from, from + PUBLISHED_AT_ONCE);
      const names = batch.flatMap(({ channel, payload }) => [PREFIX + channel, payload]);
      await this.publisher.eval(PUBLISH_ALL, 0, ...names);
    }
  }
}

function firstAttempt(redis: Redis): Promise<void> {
  return new Promise((resolve) => {
    redis.once('ready', resolve);
    redis.once('close', resolve);
  });
}

/** A connection whose other end vanished reports nothing for many minutes. */
function probe(redis: Redis): void {
  if (redis.status === 'ready') redis.ping().catch(() => reconnect(redis));
}

/** After a command without an answer nothing is known of the connection; a new one renews all subscriptions. */
function reconnect(redis: Redis): void {
  if (redis.status === 'ready') redis.disconnect(true);
}

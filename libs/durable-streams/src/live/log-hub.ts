import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Signals } from '@holdfast/platform-signals';
import { isJson, keyOf, type LogHead, type LogKey } from '../log-head.js';
import { LogRepository, type LogSegment } from '../log.repository.js';
import { LogReader } from '../read/log-reader.js';
import { SegmentCache } from '../read/segment-cache.js';
import { LogChannel } from './log-channel.js';

/** How often watched logs are looked at in any case, since a signal is only a hint. */
const RECHECK_MS = 3_000;
const RECHECK_BATCH = 500;

/** Logs that end when they were idle for this long are used for their viewers more often than they are looked at. */
const SHORT_LIFE_S = (2 * RECHECK_MS) / 1000;
const KEEP_MS = 300;

/** Told after each commit to a log that has subscriptions. */
export const WAKES_CHANNEL = 'log-wakes';

const channelOf = ({ project_id, path }: LogKey) => `log:${project_id}:${path}`;

/** A log that moved or was closed by a commit of this process, and what was written. */
export interface MovedLog {
  head: LogHead;
  segments: LogSegment[];
}

interface Watched {
  channel: LogChannel;
  watchers: number;
  opened: Promise<void>;
  unsubscribe: () => Promise<void>;
}

/** The logs that somebody watches in this process, and the word of every commit to those who watch in others. */
@Injectable()
export class LogHub implements OnApplicationShutdown {
  private readonly logger = new Logger('LogHub');
  /** What a process commits itself, its viewers are told at once: its own signal tells it nothing. */
  private readonly process = randomUUID();
  /** By the channel of its signals. */
  private readonly watched = new Map<string, Watched>();
  private readonly recheck = setInterval(() => this.lookAtAll(), RECHECK_MS).unref();
  private readonly keep = setInterval(() => this.keepShortLived(), KEEP_MS).unref();
  private readonly stopGaps: () => void;

  constructor(
    private readonly repository: LogRepository,
    private readonly reader: LogReader,
    private readonly cache: SegmentCache,
    private readonly signals: Signals,
  ) {
    this.stopGaps = signals.onGap(() => this.lookAtAll());
  }

  /** After a commit of this process: viewers here are told at once, those elsewhere by a signal. */
  announce({ head, segments }: MovedLog): void {
    for (const segment of segments) this.cache.extend(head.id, isJson(head), segment);
    const channel = channelOf(head);
    this.watched.get(channel)?.channel.offer(head, segments);
    this.signals.publish(channel, this.process);
    if (head.subscribed) this.signals.publish(WAKES_CHANNEL, '');
  }

  /** After a commit that made or removed a log. */
  announceChange(key: LogKey): void {
    const channel = channelOf(key);
    const watched = this.watched.get(channel);
    if (watched) this.look(watched.channel);
    this.signals.publish(channel, '');
  }

  /**
   * Watches a log until `unwatch`. Once it resolves nothing is missed, and the channel's head is not older than the
   * call.
   */
  async watch(key: LogKey): Promise<{ channel: LogChannel; unwatch: () => void }> {
    const present = this.watched.get(channelOf(key));
    // Whoever still takes what a channel that is gone has shown must not keep others from what is there now.
    const watched = present && !present.channel.isGone ? present : this.open(key);
    watched.watchers += 1;
    let isWatching = true;
    const unwatch = () => {
      if (isWatching) this.release(watched);
      isWatching = false;
    };
    try {
      await watched.opened;
      return { channel: watched.channel, unwatch };
    } catch (error) {
      unwatch();
      throw error;
    }
  }

  private open(key: LogKey): Watched {
    const channel = new LogChannel(key, this.repository, this.reader);
    const watched: Watched = { channel, watchers: 0, opened: Promise.resolve(), unsubscribe: async () => undefined };
    watched.opened = this.signals
      .subscribe(channelOf(key), (process) => process !== this.process && this.look(channel))
      .then(async (unsubscribe) => {
        watched.unsubscribe = unsubscribe;
        if (watched.watchers === 0) await unsubscribe();
      });
    this.watched.set(channelOf(key), watched);
    return watched;
  }

  private release(watched: Watched): void {
    watched.watchers -= 1;
    if (watched.watchers > 0) return;
    this.forget(watched.channel);
    watched.unsubscribe().catch((error: Error) => this.logger.debug({ event: 'log.unsubscribe_failed', err: error }));
  }

  /** A channel that is gone stays with those who hold it; the next one to watch the path gets a new one. */
  private forget(channel: LogChannel): void {
    const key = channelOf(channel.key);
    if (this.watched.get(key)?.channel === channel) this.watched.delete(key);
  }

  private look(channel: LogChannel): void {
    channel
      .refresh()
      .catch((error: Error) => this.logger.warn({ event: 'log.look_failed', reason: error.message }))
      .finally(() => {
        if (channel.isGone) this.forget(channel);
      });
  }

  private lookAtAll(): void {
    const channels = [...this.watched.values()].map(({ channel }) => channel);
    for (let from = 0; from < channels.length; from += RECHECK_BATCH) {
      const batch = channels.slice(from, from + RECHECK_BATCH).filter(({ head }) => head !== undefined);
      this.lookAtBatch(batch).catch((error: Error) =>
        this.logger.warn({ event: 'log.look_failed', reason: error.message }),
      );
    }
  }

  private async lookAtBatch(channels: LogChannel[]): Promise<void> {
    if (channels.length === 0) return;
    const heads = new Map(
      (await this.repository.heads(channels.map(({ key }) => key))).map((head) => [keyOf(head), head]),
    );
    await Promise.all(
      channels.map(async (channel) => {
        await channel.see(heads.get(keyOf(channel.key)));
        if (livesByUse(channel)) await this.repository.touch(channel.head!);
      }),
    );
  }

  private keepShortLived(): void {
    for (const { channel } of this.watched.values()) {
      if (!livesByUse(channel) || channel.head!.ttl_seconds! > SHORT_LIFE_S) continue;
      this.repository
        .touch(channel.head!)
        .catch((error: Error) => this.logger.debug({ event: 'log.keep_failed', err: error }));
    }
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.recheck);
    clearInterval(this.keep);
    this.stopGaps();
    for (const { channel } of this.watched.values()) channel.leave();
  }
}

/** Whether it ends when it is idle, which it is not while somebody watches it. */
const livesByUse = ({ head, isIdle }: LogChannel): boolean => !isIdle && typeof head?.ttl_seconds === 'number';

import { isDomainError, type DomainError } from '@holdfast/platform-errors';
import type { LogHead, LogKey } from '../log-head.js';
import { offsetAt } from '../offsets/log-offset.js';
import type { LogPage, LogReader } from '../read/log-reader.js';
import type { LogChannel, TailListener } from './log-channel.js';
import { KEEP_ALIVE, TOO_SLOW, type SseFrame } from './sse-frame.js';
import { wholeCharacters } from './whole-characters.js';

const KEEP_ALIVE_MS = 15_000;

/** A frame holds what is in memory up to this size. */
const FRAME_BYTES = 256 * 1024;

/** How long a viewer may take for the one or two MiB that wait for it before it is dropped. */
const STALLED_MS = 30_000;

/** Where a viewer's frames go. */
export interface ViewerSink {
  /** False when so much waits to be taken that nothing more should be written before `drained`. */
  write(frame: SseFrame): boolean;
  /** Resolves when what waits was taken, with false when that takes longer than `milliseconds` or the viewer is gone. */
  drained(milliseconds: number): Promise<boolean>;
}

export interface View {
  /** After about this time the viewer is asked to come again, with the offsets it has. */
  lifetimeMs: number;
  signal: AbortSignal;
}

/** Why a view ended. */
export type ViewEnd = 'closed' | 'gone' | 'over' | 'left' | 'too_slow';

/** How a view shows its logs. */
export interface ViewFrames {
  /** Messages together with the offset after them: a viewer never holds the one without the other. */
  page(head: LogHead, page: LogPage): SseFrame;
  /** A log that cannot be followed any further. Without it the viewer finds out when it comes again. */
  problem?(key: LogKey, error: DomainError): SseFrame;
}

/**
 * One view from its first frame to its end, of one log or of many. A log is live, and then each commit to it is written
 * at once, or it is behind. Those that are behind are sent one frame each in turn, so that a long one holds up no other;
 * while the sink is full, every log that moves falls behind.
 */
export class Following {
  private readonly logs = new Set<FollowedLog>();
  private readonly behind: FollowedLog[] = [];
  private readonly endsAt: number;
  private end: ViewEnd | undefined;
  private hasRoom = true;
  private wroteAt = Date.now();
  private wake: () => void = () => undefined;

  constructor(
    private readonly reader: LogReader,
    private readonly view: View,
    private readonly sink: ViewerSink,
    private readonly frames: ViewFrames,
  ) {
    // Many viewers that came at once shall not come again at once.
    this.endsAt = Date.now() + view.lifetimeMs * (0.8 + Math.random() * 0.4);
  }

  /** Shows a log from `position` on. The channel's tail must not lie before it. */
  add(channel: LogChannel, position: number): void {
    const log = new FollowedLog(this, channel, position);
    this.logs.add(log);
    this.behind.push(log);
  }

  /** Tells that a log cannot be followed. */
  refuse(key: LogKey, error: DomainError): void {
    if (this.frames.problem) this.write(this.frames.problem(key, error));
  }

  /** Until no log is left, `signal` aborts, the time is over, or the viewer takes nothing. */
  async run(): Promise<ViewEnd> {
    const onAbort = () => this.finish('left');
    this.view.signal.addEventListener('abort', onAbort, { once: true });
    if (this.view.signal.aborted) onAbort();
    if (this.logs.size === 0) this.finish('gone');
    try {
      while (!this.end) await this.goOn();
      return this.end;
    } finally {
      this.view.signal.removeEventListener('abort', onAbort);
      for (const log of this.logs) log.leave();
    }
  }

  private async goOn(): Promise<void> {
    if (Date.now() >= this.endsAt) return this.finish('over');
    if (!this.hasRoom) return this.drain();
    const log = this.behind.shift();
    if (log) return this.catchUp(log);
    await this.nextEvent(Math.min(this.wroteAt + KEEP_ALIVE_MS, this.endsAt) - Date.now());
    if (!this.end && this.hasRoom && Date.now() - this.wroteAt >= KEEP_ALIVE_MS) this.write(KEEP_ALIVE);
  }

  private async catchUp(log: FollowedLog): Promise<void> {
    const { channel } = log;
    try {
      if (channel.isGone) return await this.explainGone(log);
      const head = channel.head!;
      const page = await this.reader.page(head, log.position, FRAME_BYTES);
      if (!this.end) this.send(log, head, page);
    } catch (error) {
      if (!isDomainError(error)) throw error;
      this.refuse(channel.key, error);
      this.forget(log, 'gone');
    }
    if (this.end || !this.logs.has(log)) return;
    if (channel.isGone || channel.head!.closed || log.seen < channel.head!.tail) this.behind.push(log);
    else log.isLive = true;
  }

  /** Throws why the log cannot be followed from where it was; where it can, the viewer should come again. */
  private async explainGone({ channel, position }: FollowedLog): Promise<void> {
    await this.reader.locate(channel.key, offsetAt(channel.head!, position));
    this.finish('gone');
  }

  /** Waits for the end, for a log to fall behind, for the sink to be full, or for the time. */
  private nextEvent(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, milliseconds));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** What was committed to a live log. */
  offer(log: FollowedLog, head: LogHead, page: LogPage): void {
    if (this.end) return;
    if (this.hasRoom && page.from === log.position) this.send(log, head, page);
    else this.fallBehind(log);
  }

  fallBehind(log: FollowedLog): void {
    log.isLive = false;
    this.behind.push(log);
    this.wake();
  }

  private send(log: FollowedLog, head: LogHead, page: LogPage): void {
    const shown = wholeCharacters(head, page);
    this.write(this.frames.page(head, shown));
    log.position = shown.next;
    log.seen = page.next;
    if (page.upToDate && head.closed) this.forget(log, 'closed');
  }

  private forget(log: FollowedLog, why: 'closed' | 'gone'): void {
    log.leave();
    this.logs.delete(log);
    if (this.logs.size === 0) this.finish(why);
  }

  private write(frame: SseFrame): void {
    this.wroteAt = Date.now();
    this.hasRoom = this.sink.write(frame);
    if (!this.hasRoom) this.wake();
  }

  private async drain(): Promise<void> {
    if (await this.sink.drained(STALLED_MS)) {
      this.hasRoom = true;
      return;
    }
    if (!this.end) this.sink.write(TOO_SLOW);
    this.finish('too_slow');
  }

  private finish(end: ViewEnd): void {
    this.end ??= end;
    this.wake();
  }
}

/** One log of a view: up to where it was sent, and whether it is sent what comes. */
class FollowedLog implements TailListener {
  isLive = false;
  /** As `position`, with the bytes of a character that is not whole yet. */
  seen: number;
  readonly leave: () => void;

  constructor(
    private readonly following: Following,
    readonly channel: LogChannel,
    public position: number,
  ) {
    this.seen = position;
    this.leave = channel.join(this);
  }

  onPage(head: LogHead, page: LogPage): void {
    if (this.isLive) this.following.offer(this, head, page);
  }

  onGone(): void {
    if (this.isLive) this.following.fallBehind(this);
  }
}

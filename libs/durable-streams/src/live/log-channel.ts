import { isDomainError } from '@holdfast/platform-errors';
import type { LogHead, LogKey } from '../log-head.js';
import type { LogRepository, LogSegment } from '../log.repository.js';
import type { LogPage, LogReader } from '../read/log-reader.js';

/** Somebody who is at the tail of a log and waits for what comes. */
export interface TailListener {
  /** Called with each run of messages in order, and once with `closed` when nothing follows. */
  onPage(head: LogHead, page: LogPage): void;
  /** The log is gone, or another one stands at its path. */
  onGone(): void;
}

/**
 * One log as this process shows it to its viewers: how far they all were told, and who waits there. What moves it on are
 * commits of this process, signals of others, and a look at intervals; whatever the source, only what continues the
 * present position is told, and a gap is filled from PostgreSQL.
 */
export class LogChannel {
  /** As last seen; its tail is the position up to which everybody here was told. Undefined before the first look. */
  head: LogHead | undefined;
  isGone = false;
  private readonly listeners = new Set<TailListener>();
  private refreshing: Promise<void> | undefined;
  private isDue = false;

  constructor(
    readonly key: LogKey,
    private readonly repository: LogRepository,
    private readonly reader: LogReader,
  ) {}

  /** `listener` must have been told everything up to the head's tail. Returns how to leave. */
  join(listener: TailListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** A commit of this process. */
  offer(head: LogHead, segments: LogSegment[]): void {
    const { head: told } = this;
    if (this.isGone) return;
    if (!told) return this.lookSoon();
    const start = segments[0]?.start ?? head.tail;
    if (told.id !== head.id || start !== told.tail) {
      if (told.id !== head.id || head.tail > told.tail || (head.closed && !told.closed)) this.lookSoon();
      return;
    }
    this.tell(head, pageOf(told.tail, head.tail, segments, head));
  }

  /** Brings it to the head that was read while watching it. False when it shows another log: come again. */
  async reach(head: LogHead): Promise<boolean> {
    if (this.head && this.head.id !== head.id) await this.refresh();
    else if (!this.head || this.head.tail < head.tail || this.head.closed !== head.closed) await this.see(head);
    return !this.isGone && this.head?.id === head.id;
  }

  /** Looks at the log as it is now. Callers at the same time share a look that begins after they called. */
  refresh(): Promise<void> {
    if (this.refreshing) {
      this.isDue = true;
      return this.refreshing;
    }
    this.refreshing = this.look().finally(() => (this.refreshing = undefined));
    return this.refreshing;
  }

  /** Where that fails, the regular look follows. */
  private lookSoon(): void {
    this.refresh().catch(() => undefined);
  }

  private async look(): Promise<void> {
    do {
      this.isDue = false;
      await this.see(await this.repository.head(this.key));
    } while (this.isDue);
  }

  /** The log as somebody read it. */
  async see(seen: LogHead | undefined): Promise<void> {
    if (this.isGone) return;
    if (!seen || seen.state !== 'live' || (this.head && this.head.id !== seen.id)) return this.leave();
    this.head ??= seen;
    while (this.head.tail < seen.tail) {
      const from: number = this.head.tail;
      const page = await this.pageAfter(from, seen);
      if (this.isGone) return;
      if (!page) return this.leave();
      // A commit of this process may have come first.
      if (this.head.tail === from) this.tell({ ...seen, tail: page.next, closed: seen.closed && page.upToDate }, page);
    }
    if (seen.closed && !this.head.closed && this.head.tail === seen.tail) {
      this.tell(seen, { from: seen.tail, next: seen.tail, parts: [], upToDate: true });
    }
  }

  /** Undefined when what follows was trimmed or deleted: nobody can go on from here. */
  private async pageAfter(position: number, seen: LogHead): Promise<LogPage | undefined> {
    try {
      return await this.reader.page(seen, position);
    } catch (error) {
      if (isDomainError(error)) return undefined;
      throw error;
    }
  }

  leave(): void {
    this.isGone = true;
    for (const listener of [...this.listeners]) listener.onGone();
    this.listeners.clear();
  }

  get isIdle(): boolean {
    return this.listeners.size === 0;
  }

  private tell(head: LogHead, page: LogPage): void {
    this.head = head;
    for (const listener of [...this.listeners]) listener.onPage(head, page);
  }
}

const COMMA = Buffer.from(',');

function pageOf(from: number, next: number, segments: LogSegment[], head: LogHead): LogPage {
  const separated = head.content_type === 'application/json';
  const parts = segments.flatMap(({ body }, index) => (index && separated ? [COMMA, body] : [body]));
  return { from, next, parts, upToDate: true };
}

import { Injectable } from '@nestjs/common';
import { nextCursor } from '../offsets/log-cursor.js';
import type { LogHead, LogKey } from '../log-head.js';
import { offsetAt } from '../offsets/log-offset.js';
import { LogReader, type LogPage } from '../read/log-reader.js';
import { Following, type View, type ViewEnd, type ViewerSink } from './following.js';
import type { LogChannel } from './log-channel.js';
import { LogHub } from './log-hub.js';
import { sseFrame, type SseFrame } from './sse-frame.js';

/** `cursor` is that of the request, echoed by the protocol's clients. */
export interface SingleView extends View {
  cursor: string | undefined;
}

/** What a long-poll found. */
export interface PollAnswer {
  head: LogHead;
  page: LogPage;
}

/** Follows a log for one viewer: what is there first, then what comes. */
@Injectable()
export class LogViewer {
  constructor(
    private readonly reader: LogReader,
    private readonly hub: LogHub,
  ) {}

  /**
   * As Server-Sent Events, each data event with its control event, until the log is closed, `signal` aborts or the time is
   * over. A viewer that does not keep up is not sent more than it takes; it catches up from its own offset, and is
   * dropped when it takes nothing for 30 s. Errors before `open` is called: as `LogReader.locate`.
   */
  async follow(key: LogKey, offset: string, view: SingleView, open: (head: LogHead) => ViewerSink): Promise<ViewEnd> {
    const { channel, unwatch } = await this.hub.watch(key);
    try {
      const { head, position } = await this.reader.locate(key, offset);
      const isReached = await channel.reach(head);
      const following = new Following(this.reader, view, open(head), {
        page: (shown, page) => frameFor(view.cursor, shown, page),
      });
      if (!isReached) return 'gone';
      following.add(channel, position);
      return await following.run();
    } finally {
      unwatch();
    }
  }

  /** The next page once there is one, or an empty one after `waitMs`, or when the log was closed. */
  async poll(key: LogKey, offset: string, waitMs: number, signal: AbortSignal): Promise<PollAnswer> {
    const { channel, unwatch } = await this.hub.watch(key);
    try {
      const { head, position } = await this.reader.locate(key, offset);
      if (position < head.tail || head.closed) return { head, page: await this.reader.page(head, position) };
      if (await channel.reach(head)) await nextMove(channel, position, waitMs, signal);
      // By its offset: another log may stand at the path by now.
      const now = await this.reader.locate(key, offsetAt(head, position));
      return { head: now.head, page: await this.reader.page(now.head, now.position) };
    } finally {
      unwatch();
    }
  }
}

function nextMove(channel: LogChannel, position: number, waitMs: number, signal: AbortSignal): Promise<void> {
  if (channel.head!.tail > position || channel.head!.closed || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      leave();
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const leave = channel.join({ onPage: end, onGone: end });
    const timer = setTimeout(end, waitMs);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** One for all viewers that need no cursor of their own. */
function frameFor(cursor: string | undefined, head: LogHead, page: LogPage): SseFrame {
  const common = nextCursor(undefined);
  const own = nextCursor(cursor);
  return common === own ? sharedFrame(head, page, common) : sseFrame(head, page, { cursor: own, closed: head.closed });
}

const frames = new WeakMap<LogPage, { cursor: string; frame: SseFrame }>();

function sharedFrame(head: LogHead, page: LogPage, cursor: string): SseFrame {
  const made = frames.get(page);
  if (made?.cursor === cursor) return made.frame;
  const frame = sseFrame(head, page, { cursor, closed: head.closed });
  frames.set(page, { cursor, frame });
  return frame;
}

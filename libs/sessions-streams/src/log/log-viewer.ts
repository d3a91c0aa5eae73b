import { Injectable } from '@nestjs/common';
import { nextCursor } from './log-cursor.js';
import { formatOffset } from './log-offset.js';
import { LogMoves } from './log-moves.js';
import { LogReader, type LogPage } from './log-reader.js';
import type { LogKey } from './log.repository.js';

/** How often a watched log is read in any case, since a signal is only a hint. */
const RECHECK_MS = 3_000;
const KEEP_ALIVE_MS = 15_000;

/** Where a viewer's frames go. */
export interface ViewerSink {
  /** Resolves when more may be written; rejects when the viewer is gone or too slow. */
  write(frame: Buffer | string): Promise<void>;
}

/** Follows one log for one viewer, as Server-Sent Events of the Durable Streams protocol. */
@Injectable()
export class LogViewer {
  constructor(
    private readonly reader: LogReader,
    private readonly moves: LogMoves,
  ) {}

  /**
   * Writes what is there, then what comes, until `signal` aborts or `lifetimeMs` is over; it ends after a control
   * event, so the viewer can go on from the offset in it. Errors before the first frame: as `LogReader.locate`.
   */
  async follow(
    key: LogKey,
    offset: string,
    view: { cursor: string | undefined; lifetimeMs: number; signal: AbortSignal },
    open: () => ViewerSink,
  ): Promise<void> {
    const watch = await this.moves.watch(key, view.signal);
    try {
      const located = await this.reader.locate(key, offset);
      const sink = open();
      const endsAt = Date.now() + view.lifetimeMs;
      let page = await this.reader.page(located.head, located.position);
      let quietSince = Date.now();
      await sink.write(sseFrame(page, view.cursor));
      while (!view.signal.aborted && Date.now() < endsAt) {
        if (page.upToDate) await watch.next(Math.min(RECHECK_MS, Math.max(0, endsAt - Date.now())));
        if (view.signal.aborted) break;
        const head = await this.reader.head(key);
        // Made again under the same path: the viewer comes back with its offset and is told that it is gone.
        if (head.generation !== page.generation) break;
        page = await this.reader.page(head, page.next);
        if (page.next > page.from) {
          await sink.write(sseFrame(page, view.cursor));
          quietSince = Date.now();
        } else if (Date.now() - quietSince >= KEEP_ALIVE_MS) {
          await sink.write(': keep-alive\n\n');
          quietSince = Date.now();
        }
      }
    } finally {
      await watch.close();
    }
  }

  /** The next page once there is one, or an empty page after `waitMs`. */
  async poll(key: LogKey, offset: string, waitMs: number, signal: AbortSignal): Promise<LogPage> {
    const watch = await this.moves.watch(key, signal);
    try {
      const { head, position } = await this.reader.locate(key, offset);
      const endsAt = Date.now() + waitMs;
      let page = await this.reader.page(head, position);
      while (page.next === page.from && Date.now() < endsAt && !signal.aborted) {
        await watch.next(Math.min(RECHECK_MS, endsAt - Date.now()));
        page = await this.reader.page(await this.reader.head(key), position);
      }
      return page;
    } finally {
      await watch.close();
    }
  }
}

/** One data event with its control event, in one piece: a viewer never holds data whose offset it does not know. */
function sseFrame(page: LogPage, cursor: string | undefined): Buffer {
  const control = JSON.stringify({
    streamNextOffset: formatOffset({ generation: page.generation, position: page.next }),
    streamCursor: nextCursor(cursor),
    ...(page.upToDate && { upToDate: true }),
  });
  const data = page.body.length ? [Buffer.from('event: data\ndata: ['), page.body, Buffer.from(']\n\n')] : [];
  return Buffer.concat([...data, Buffer.from(`event: control\ndata: ${control}\n\n`)]);
}

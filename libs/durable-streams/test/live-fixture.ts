import { randomUUID } from 'node:crypto';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { eventually } from '@holdfast/testing';
import {
  LogLifecycle,
  LogReader,
  LogRetention,
  LogService,
  LogWatcher,
  offsetAt,
  pageBytes,
  SseFrame,
  type LogHead,
  type LogKey,
  type LogPage,
  type ViewEnd,
  type ViewerSink,
} from '../src/index.js';
import { startEngine } from './engine.js';

/** One process that serves viewers, on a database of its own or on that of another process. */
export async function startProcess({ url }: { url?: string } = {}) {
  const engine = await startEngine({ url, unitOfWorkOf: (of) => new UnitOfWork(of) });
  const { app, unitOfWork } = engine;
  const lifecycle = app.get(LogLifecycle);
  const log = app.get(LogService);
  const watcher = app.get(LogWatcher);

  return {
    url: engine.url,
    stop: engine.stop,
    lifecycle,

    /** A log of JSON without a message. */
    async make(key: LogKey = { project_id: randomUUID(), path: `logs/${randomUUID()}` }): Promise<LogKey> {
      await lifecycle.create({ ...key, content_type: 'application/json', closed: false, body: Buffer.alloc(0) });
      return key;
    },

    async append(key: LogKey, ...messages: unknown[]): Promise<void> {
      const texts = messages.map((message) => Buffer.from(JSON.stringify(message)));
      const outcome = await log.append({ ...key, messages: texts });
      if (outcome.kind !== 'appended') throw new Error(outcome.kind);
    },

    async close(key: LogKey): Promise<void> {
      await log.append({ ...key, messages: [], close: true });
    },

    async offsetAt(key: LogKey, position: number): Promise<string> {
      return offsetAt(await app.get(LogReader).head(key), position);
    },

    trim: (key: LogKey, upto: number) => unitOfWork.run((tx) => app.get(LogRetention).trim(tx, key, upto)),

    /** Watches logs, each from its offset on. */
    watch(
      wanted: { key: LogKey; offset: string }[],
      { viewer = new Viewer(), lifetimeMs = 60_000 }: { viewer?: Viewer; lifetimeMs?: number } = {},
    ): { viewer: Viewer; ended: Promise<ViewEnd> } {
      const view = { lifetimeMs, signal: viewer.leaving.signal };
      return { viewer, ended: watcher.watch(wanted, view, FRAMES, () => viewer) };
    },
  };
}

export type Process = Awaited<ReturnType<typeof startProcess>>;

/** What a viewer was sent, as one frame. */
export interface Shown {
  path: string;
  messages?: unknown[];
  /** Position after the messages. */
  next?: number;
  upToDate?: boolean;
  /** Code of the error. */
  problem?: string;
  earliest?: string;
}

const FRAMES = {
  page: ({ path }: LogHead, page: LogPage) =>
    frameOf({ path, messages: JSON.parse(`[${pageBytes(page)}]`), next: page.next, upToDate: page.upToDate }),
  problem: ({ path }: LogKey, { code, members }: { code: string; members: Record<string, unknown> }) =>
    frameOf({
      path,
      problem: code,
      ...('earliest_offset' in members && { earliest: String(members['earliest_offset']) }),
    }),
};

const frameOf = (shown: Shown) => new SseFrame(Buffer.from(JSON.stringify(shown)));

/** Somebody who watches, and takes what was sent at once unless told otherwise. */
export class Viewer implements ViewerSink {
  readonly shown: Shown[] = [];
  /** Frames that show nothing. */
  readonly comments: string[] = [];
  readonly leaving = new AbortController();
  private takesAtOnce = true;
  /** What the next waits for room come to, where that is known before they begin. */
  private readonly outcomes: boolean[] = [];
  private waiting: ((isTaken: boolean) => void) | undefined;

  /** From now on one frame fills it. */
  takeOneByOne(): this {
    this.takesAtOnce = false;
    return this;
  }

  /** Takes one frame, and so has room for another. */
  take(): void {
    this.settle(true);
  }

  takeAllAtOnce(): void {
    this.takesAtOnce = true;
    this.waiting?.(true);
  }

  stall(): void {
    this.settle(false);
  }

  private settle(isTaken: boolean): void {
    if (this.waiting) this.waiting(isTaken);
    else this.outcomes.push(isTaken);
  }

  write({ bytes }: SseFrame): boolean {
    if (bytes[0] === 0x3a) this.comments.push(bytes.toString());
    else this.shown.push(JSON.parse(bytes.toString()) as Shown);
    return this.takesAtOnce;
  }

  async drained(): Promise<boolean> {
    if (this.takesAtOnce) return true;
    const known = this.outcomes.shift();
    if (known !== undefined) return known;
    const isTaken = await new Promise<boolean>((resolve) => (this.waiting = resolve));
    this.waiting = undefined;
    return isTaken;
  }

  /** The paths of the frames, once there are `count`. */
  async paths(count: number): Promise<string[]> {
    await this.seen(count);
    return this.shown.map(({ path }) => path);
  }

  /** What was shown, once it is that many frames. */
  async seen(count: number): Promise<Shown[]> {
    return eventually(() => {
      if (this.shown.length < count) throw new Error(`${this.shown.length} of ${count} frames were shown`);
      return this.shown;
    });
  }

  messagesOf({ path }: LogKey): unknown[] {
    return this.shown.filter((shown) => shown.path === path).flatMap(({ messages }) => messages ?? []);
  }
}

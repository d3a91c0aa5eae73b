import { randomUUID } from 'node:crypto';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import {
  ExpiredLogs,
  isJson,
  LogCompactor,
  LogGarbage,
  LogLifecycle,
  LogReader,
  LogRetention,
  LogService,
  LogViewer,
  offsetAt,
  pageBytes,
  type LogAppend,
  type LogCreate,
  type LogHead,
  type LogKey,
} from '../src/index.js';
import { atIntervals, startEngine } from './engine.js';
import { TestView } from './test-view.js';

/** A Redis that nobody listens at: the process hears no signal and is heard by none. */
export const NO_REDIS = 'redis://127.0.0.1:1';

export const unlimited = new AbortController().signal;

export interface LogsOptions {
  /** Another process's database; a new one by default. */
  url?: string;
  /** Signals go through it; through PostgreSQL by default. */
  redisUrl?: string;
  cacheBytes?: number;
}

/** The engine as one process has it. Stop those of one database in the order in which they were started, last first. */
export async function startLogs({ url, redisUrl, cacheBytes = 16 * 1024 * 1024 }: LogsOptions = {}) {
  const engine = await startEngine({ url, redisUrl, config: { cacheBytes }, unitOfWorkOf: (of) => new UnitOfWork(of) });
  const { app, unitOfWork, signals } = engine;
  const log = app.get(LogService);
  const lifecycle = app.get(LogLifecycle);
  const reader = app.get(LogReader);
  const viewer = app.get(LogViewer);
  const retention = app.get(LogRetention);

  return {
    url: engine.url,
    unitOfWork,
    signals,
    stop: engine.stop,
    log,
    lifecycle,
    reader,
    viewer,
    compactor: app.get(LogCompactor),
    retention,
    expired: app.get(ExpiredLogs),
    garbage: app.get(LogGarbage),

    /** A log of JSON without a message, unless `create` says otherwise. */
    async make(create: Partial<LogCreate> = {}): Promise<LogKey> {
      const { project_id = randomUUID(), path = `logs/${randomUUID()}` } = create;
      const empty = {
        content_type: create.fork ? undefined : 'application/json',
        closed: false,
        body: Buffer.alloc(0),
      };
      await lifecycle.create({ ...empty, ...create, project_id, path });
      return { project_id, path };
    },

    /** Appends numbers, as one append. */
    append: (key: LogKey, numbers: number[], rest: Partial<LogAppend> = {}) =>
      log.append({ ...key, messages: numbers.map((n) => Buffer.from(String(n))), ...rest }),

    head: (key: LogKey): Promise<LogHead> => reader.head(key),

    /** Everything after an offset, page by page: a list of JSON values, or bytes as a text. */
    async read<T = number[]>(key: LogKey, offset = '-1'): Promise<T> {
      const { head, position } = await reader.locate(key, offset);
      const parts: Buffer[] = [];
      for (let at = position; at < head.tail;) {
        const page = await reader.page(head, at);
        if (page.from !== at || page.next <= at) throw new Error(`asked for ${at}, got ${page.from} to ${page.next}`);
        parts.push(pageBytes(page));
        at = page.next;
      }
      const content = isJson(head) ? JSON.parse(`[${parts.join(',')}]`) : Buffer.concat(parts).toString('latin1');
      return content as T;
    },

    /** The offset of a position. */
    async offsetOf(key: LogKey, position: number): Promise<string> {
      return offsetAt(await reader.head(key), position);
    },

    follow: (key: LogKey, offset = '-1') => new TestView(viewer, key, offset),

    trim: (key: LogKey, upto: number) => unitOfWork.run((tx) => retention.trim(tx, key, upto)),

    /** As if that much time had passed for it. */
    async age(key: LogKey, seconds: number): Promise<void> {
      await unitOfWork.query(
        `UPDATE log_streams SET expires_at = expires_at - make_interval(secs => $3) WHERE project_id = $1 AND path = $2`,
        [key.project_id, key.path, seconds],
      );
    },

    /** A transaction that holds the log against everybody, and then does `last` before it commits. */
    async hold(key: LogKey, last: (tx: Transaction) => Promise<unknown> = async () => undefined) {
      const [locked, released] = [gate(), gate()];
      const done = unitOfWork.run(async (tx) => {
        await tx.query(`SELECT 1 FROM log_streams WHERE project_id = $1 AND path = $2 FOR UPDATE`, [
          key.project_id,
          key.path,
        ]);
        locked.open();
        await released.opened;
        await last(tx);
      });
      await Promise.race([locked.opened, done]);
      return {
        release: async () => {
          released.open();
          await done;
        },
      };
    },

    /** Rows of a project in the tables of the log. */
    async rows(project_id: string): Promise<{ streams: number; segments: number; producers: number }> {
      const row = await unitOfWork.queryOne<{ streams: number; segments: number; producers: number }>(
        `SELECT (SELECT count(*) FROM log_streams WHERE project_id = $1) AS streams,
                (SELECT count(*) FROM log_segments WHERE project_id = $1) AS segments,
                (SELECT count(*) FROM log_producers WHERE project_id = $1) AS producers`,
        [project_id],
      );
      return row!;
    },
  };
}

export type Logs = Awaited<ReturnType<typeof startLogs>>;

/** The outcome of an append that was refused with `code`. */
export const refused = (code: string, members: object = {}) => ({ kind: 'refused', error: { code, members } });

export const upTo = (last: number, first = 0) => Array.from({ length: last - first }, (_, index) => first + index);

/** A promise, and how to resolve it. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/**
 * Plays a scenario over and over: its `work`, and something that happens between two steps of it, each time between two
 * others. A step is what a process asks PostgreSQL or the signals for, but for what it asks at intervals: nobody waits
 * for that. Returns between how many steps it happened.
 */
export async function betweenAllSteps(
  process: Logs,
  scenario: () => Promise<{ work: () => Promise<void>; interfere: () => Promise<unknown> }>,
): Promise<number> {
  for (let at = 0; ; at++) {
    const { work, interfere } = await scenario();
    let step = 0;
    const before = async () => {
      if (!atIntervals.getStore() && step++ === at) await interfere();
    };
    const restore = [
      delay(process.unitOfWork, 'statement', before),
      delay(process.unitOfWork, 'query', before),
      delayWithin(process.unitOfWork, before),
      delay(process.signals, 'subscribe', before),
    ];
    await work().finally(() => restore.forEach((undo) => undo()));
    if (step <= at) return at;
  }
}

/** Makes an asynchronous method wait for `before` each time it is called; returns how to undo it. */
function delay<Name extends string>(
  object: Record<Name, (...args: never[]) => Promise<unknown>>,
  name: Name,
  before: () => Promise<void>,
): () => void {
  const method = object[name];
  const delayed = async (...args: never[]) => {
    await before();
    return method.apply(object, args);
  };
  Object.defineProperty(object, name, { value: delayed, configurable: true });
  return () => Reflect.deleteProperty(object, name);
}

/** Makes each statement of a transaction wait for `before`. Whoever interferes must not need what it has locked. */
function delayWithin(unitOfWork: UnitOfWork, before: () => Promise<void>): () => void {
  const run = unitOfWork.run.bind(unitOfWork);
  unitOfWork.run = (work) =>
    run((tx) => {
      delay(tx, 'query', before);
      return work(tx);
    });
  return () => Reflect.deleteProperty(unitOfWork, 'run');
}

import { HoldfastError, isPassing } from '../errors.js';
import { withOffsets, type LoggedEvent, type SessionEvent } from '../session-event.js';
import type { WatchNews, WatchPlaces } from '../watch-connection.js';
import { retryDelayMs, type Clock } from './clock.js';

/** A session's log, or a task's activity. */
export type LogName = { session_id: string; task_id?: undefined } | { task_id: string; session_id?: undefined };

export type FeedNews =
  | { kind: 'events'; log: LogName; events: LoggedEvent[]; offset: string; up_to_date: boolean }
  /** This log is not followed any further; the others are. */
  | { kind: 'problem'; log: LogName; error: HoldfastError }
  | { kind: 'connected' }
  /** `failures` connections in a row have failed; another one is tried, until this one is told of no more. */
  | { kind: 'lost'; error: unknown; failures: number };

/** What the feed needs of a client. */
export interface FeedSource {
  watch(places: WatchPlaces, signal: AbortSignal): AsyncIterable<WatchNews>;
  /** What a session's log has behind `offset`, without a stream. */
  readSession(session_id: string, options: { offset: string; signal: AbortSignal }): AsyncIterable<LoggedEvent>;
}

/** Most logs of one connection. */
export const MAX_LOGS = 500;
/** As many failures in a row mean that no stream can be held here: from then on each try begins with a plain read. */
export const HOPELESS = 3;
/** A connection that ends sooner counts as a failure, or a broken proxy would be asked again and again at once. */
const HEALTHY_MS = 1_000;
/** Logs that are added one soon after the other are asked for at once. */
const GATHER_MS = 100;

interface Followed {
  log: LogName;
  offset: string;
}

/** Follows a changing set of logs on one connection at a time, each once and in order. */
export class LogFeed {
  private readonly logs = new Map<string, Followed>();
  /** The connection that is open, and the logs that it was asked for. */
  private open: { line: AbortController; keys: string[] } | undefined;
  private isGathering = false;

  constructor(
    private readonly source: FeedSource,
    private readonly clock: Clock,
  ) {}

  /** How many connections were asked for. */
  connections = 0;

  /** False where one connection holds no more. A log that is followed already goes on where it is. */
  add(log: LogName, offset: string): boolean {
    const key = keyOf(log);
    if (this.logs.has(key)) return true;
    if (this.logs.size >= MAX_LOGS) return false;
    this.logs.set(key, { log, offset });
    void this.reopenSoon();
    return true;
  }

  /** Its offset, to go on from later. */
  remove(log: LogName): string | undefined {
    const followed = this.logs.get(keyOf(log));
    if (followed && this.logs.delete(keyOf(log))) void this.reopenSoon();
    return followed?.offset;
  }

  has(log: LogName): boolean {
    return this.logs.has(keyOf(log));
  }

  /** Until `signal` aborts or no log is left. Throws what waiting would not help against. */
  async *follow(signal: AbortSignal): AsyncGenerator<FeedNews, void, undefined> {
    let failures = 0;
    let isConnected = false;
    while (!signal.aborted && this.logs.size > 0) {
      const line = new AbortController();
      const hangUp = () => line.abort(signal.reason);
      signal.addEventListener('abort', hangUp, { once: true });
      this.open = { line, keys: [...this.logs.keys()] };
      let connectedAt = Infinity;
      let problem: unknown;
      try {
        this.connections += 1;
        for await (const news of this.source.watch(this.places(), line.signal)) {
          connectedAt = Math.min(connectedAt, this.clock.now());
          if (!isConnected) yield { kind: 'connected' };
          isConnected = true;
          const told = this.take(news);
          if (told) yield told;
          if (line.signal.aborted || this.logs.size === 0) break;
        }
      } catch (error) {
        if (!line.signal.aborted && !isPassing(error)) throw error;
        problem = error;
      } finally {
        signal.removeEventListener('abort', hangUp);
      }
      // By the caller, or for another set of logs.
      if (line.signal.aborted) continue;
      failures = this.clock.now() - connectedAt >= HEALTHY_MS ? 0 : failures + 1;
      // What the api ends in order is no loss, unless it never says anything.
      if (problem !== undefined || failures > 1) {
        isConnected = false;
        yield { kind: 'lost', error: problem, failures: Math.max(1, failures) };
      }
      if (failures === 0) continue;
      await this.clock.wait(Math.max(retryDelayMs(failures, this.clock), retryAfterMs(problem)), signal);
      if (failures >= HOPELESS) yield* this.readPlainly(signal);
    }
  }

  /** What is there of the sessions, where no stream can be held. */
  private async *readPlainly(signal: AbortSignal): AsyncGenerator<FeedNews, void, undefined> {
    for (const followed of [...this.logs.values()]) {
      const { log } = followed;
      if (log.session_id === undefined) continue;
      try {
        const options = { offset: followed.offset, signal };
        for await (const logged of this.source.readSession(log.session_id, options)) {
          followed.offset = logged.offset;
          yield { kind: 'events', log, events: [logged], offset: logged.offset, up_to_date: false };
        }
        yield { kind: 'events', log, events: [], offset: followed.offset, up_to_date: true };
      } catch (error) {
        if (signal.aborted || isPassing(error)) return;
        this.logs.delete(keyOf(log));
        yield { kind: 'problem', log, error: error as HoldfastError };
      }
    }
  }

  private take(news: WatchNews): FeedNews | undefined {
    const log = nameOf(news);
    const followed = this.logs.get(keyOf(log));
    if (!followed) return undefined;
    if (news.problem) {
      this.logs.delete(keyOf(log));
      return { kind: 'problem', log, error: new HoldfastError(news.problem) };
    }
    followed.offset = news.next_offset;
    const events: LoggedEvent<SessionEvent>[] = withOffsets(news.events, news.next_offset);
    return { kind: 'events', log, events, offset: news.next_offset, up_to_date: news.up_to_date };
  }

  private places(): Required<WatchPlaces> {
    const places: Required<WatchPlaces> = { sessions: [], activities: [] };
    for (const { log, offset } of this.logs.values()) {
      if (log.session_id !== undefined) places.sessions.push({ session_id: log.session_id, offset });
      else places.activities.push({ task_id: log.task_id, offset });
    }
    return places;
  }

  private async reopenSoon(): Promise<void> {
    if (this.isGathering || !this.open) return;
    this.isGathering = true;
    await this.clock.wait(GATHER_MS);
    this.isGathering = false;
    const { line, keys } = this.open;
    if (keys.length !== this.logs.size || keys.some((key) => !this.logs.has(key))) line.abort();
  }
}

const keyOf = ({ session_id, task_id }: LogName) => (session_id === undefined ? `task ${task_id}` : `of ${session_id}`);

function nameOf({ session_id, task_id }: WatchNews): LogName {
  return session_id === undefined ? { task_id: task_id! } : { session_id };
}

function retryAfterMs(error: unknown): number {
  return (error instanceof HoldfastError && error.retryAfterMs) || 0;
}

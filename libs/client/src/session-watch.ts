import { HoldfastError } from './errors.js';
import { keepConnected, type ConnectionOptions } from './keep-connected.js';
import type { LogSource } from './log-connection.js';
import { withOffsets, type LoggedEvent } from './session-event.js';
import { openWatch, type WatchNews } from './watch-connection.js';

export interface WatchedSession {
  session_id: string;
  /** `-1` (start, the default), `now`, or an offset of an earlier event. */
  offset?: string;
}

/** An event of one of the sessions, and the offset after it in that session's log. */
export interface WatchedEvent extends LoggedEvent {
  session_id: string;
}

export interface WatchOptions extends ConnectionOptions {
  /** Told why a session is not watched any further; the others go on. Without it, the error is thrown. */
  onProblem?: (problem: { session_id: string; error: HoldfastError }) => void;
}

type News = WatchNews & { session_id: string };

/** Every event of each session, once and in order, across connections, until `signal` aborts or no session is left. */
export async function* watchSessions(
  source: LogSource,
  sessions: readonly WatchedSession[],
  { onProblem, ...options }: WatchOptions,
): AsyncGenerator<WatchedEvent, void, undefined> {
  const offsets = new Map(sessions.map(({ session_id, offset = '-1' }) => [session_id, offset]));
  if (offsets.size < sessions.length) throw new TypeError('A session is named twice.');

  for await (const news of keepConnected(() => connect(source, offsets, options.signal), options)) {
    const { session_id } = news;
    if (news.problem) {
      const error = new HoldfastError(news.problem);
      if (!onProblem) throw error;
      offsets.delete(session_id);
      onProblem({ session_id, error });
      if (offsets.size === 0) return;
      continue;
    }
    for (const logged of withOffsets(news.events, news.next_offset)) {
      yield { session_id, ...logged };
      if (options.signal?.aborted) return;
    }
    offsets.set(session_id, news.next_offset);
  }
}

async function* connect(
  source: LogSource,
  offsets: ReadonlyMap<string, string>,
  signal: AbortSignal | undefined,
): AsyncGenerator<News, void, undefined> {
  const sessions = [...offsets].map(([session_id, offset]) => ({ session_id, offset }));
  const silent = new Set(sessions.filter(({ offset }) => offset === 'now').map(({ session_id }) => session_id));
  const held: News[] = [];
  for await (const news of openWatch(source, { sessions }, signal)) {
    if (news.session_id === undefined) continue;
    held.push(news as News);
    silent.delete(news.session_id);
    // Until it is known where `now` was, a connection that breaks would begin anew at a later one.
    if (silent.size === 0) yield* held.splice(0);
  }
}

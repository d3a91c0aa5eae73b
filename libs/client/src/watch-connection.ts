import { readEvents } from './event-source.js';
import type { Problem } from './generated/models/Problem.js';
import type { LogSource } from './log-connection.js';
import type { SessionEvent } from './session-event.js';

/** The logs of a watch, and from where (docs/reference/watch.md). */
export interface WatchPlaces {
  sessions?: { session_id: string; offset: string }[];
  activities?: { task_id: string; offset: string }[];
}

/** Of a session's log, or of a task's activity. */
export type WatchNews = ({ session_id: string; task_id?: undefined } | { task_id: string; session_id?: undefined }) &
  (
    | { events: SessionEvent[]; next_offset: string; up_to_date: boolean; problem?: undefined }
    | { problem: Problem & Record<string, unknown>; events?: undefined }
  );

/** What one connection brings, until the api or the network ends it. Each item is whole. */
export async function* openWatch(
  { url, headers, fetch }: LogSource,
  places: WatchPlaces,
  signal: AbortSignal | undefined,
): AsyncGenerator<WatchNews, void, undefined> {
  const body = JSON.stringify(places);
  const request = { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body };
  for await (const { event, data } of readEvents(fetch, url, request, signal)) {
    if (event === 'data' || event === 'problem') yield JSON.parse(data) as WatchNews;
  }
}

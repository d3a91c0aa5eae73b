import { offsetAt, SseFrame, type LogHead, type LogPage, type ViewFrames } from '@holdfast/durable-streams';
import { isDomainError, type DomainError } from '@holdfast/platform-errors';
import { problemOf } from '@holdfast/platform-http';
import { SessionNotFound } from '@holdfast/platform-postgres';
import { TaskNotFound } from '@holdfast/sessions-sharing';
import { watchedLogAt, type WatchedLog } from './watched-logs.js';

/** The events of a watch (docs/reference/watch.md), for the request that `requestId` names. */
export function sessionWatchFrames(requestId: string): Required<ViewFrames> {
  return {
    page: sharedFrame,
    problem: ({ path }, error) => {
      const log = watchedLogAt(path);
      const problem = problemOf(inWordsOf(log, error), requestId);
      return new SseFrame(Buffer.from(`event: problem\ndata: ${JSON.stringify({ ...log, problem })}\n\n`));
    },
  };
}

/** The log of a session is there exactly as long as the session; a task without one is like none. */
function inWordsOf(log: WatchedLog, error: DomainError): DomainError {
  const isUnknown = isDomainError(error, 'stream_not_found') || isDomainError(error, 'stream_deleted');
  if (!isUnknown) return error;
  return 'session_id' in log ? SessionNotFound(log) : TaskNotFound(log);
}

const frames = new WeakMap<LogPage, SseFrame>();

/** One for all who watch the log. */
function sharedFrame(head: LogHead, page: LogPage): SseFrame {
  const made = frames.get(page) ?? frameOf(head, page);
  frames.set(page, made);
  return made;
}

const CLOSE = Buffer.from(']}\n\n');

function frameOf(head: LogHead, { next, parts, upToDate }: LogPage): SseFrame {
  const known = {
    ...watchedLogAt(head.path),
    next_offset: offsetAt(head, next),
    up_to_date: upToDate,
  };
  // The messages are JSON already, and go out as they are stored.
  const open = Buffer.from(`event: data\ndata: ${JSON.stringify(known).slice(0, -1)},"events":[`);
  return new SseFrame(Buffer.concat([open, ...parts, CLOSE]));
}

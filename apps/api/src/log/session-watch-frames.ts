import { offsetAt, SseFrame, type LogHead, type LogPage, type ViewFrames } from '@holdfast/durable-streams';
import { isDomainError, type DomainError } from '@holdfast/platform-errors';
import { problemOf } from '@holdfast/platform-http';
import { SessionNotFound } from '@holdfast/platform-postgres';
import { sessionIdOfLog } from '@holdfast/sessions-streams';

/** The events of a watch (docs/reference/watch.md), for the request that `requestId` names. */
export function sessionWatchFrames(requestId: string): Required<ViewFrames> {
  return {
    page: sharedFrame,
    problem: ({ path }, error) => {
      const session_id = sessionIdOfLog(path);
      const problem = problemOf(inWordsOfSessions(session_id, error), requestId);
      return new SseFrame(Buffer.from(`event: problem\ndata: ${JSON.stringify({ session_id, problem })}\n\n`));
    },
  };
}

/** The log of a session is there exactly as long as the session. */
function inWordsOfSessions(session_id: string, error: DomainError): DomainError {
  const isUnknown = isDomainError(error, 'stream_not_found') || isDomainError(error, 'stream_deleted');
  return isUnknown ? SessionNotFound({ session_id }) : error;
}

const frames = new WeakMap<LogPage, SseFrame>();

/** One for all who watch the session. */
function sharedFrame(head: LogHead, page: LogPage): SseFrame {
  const made = frames.get(page) ?? frameOf(head, page);
  frames.set(page, made);
  return made;
}

const CLOSE = Buffer.from(']}\n\n');

function frameOf(head: LogHead, { next, parts, upToDate }: LogPage): SseFrame {
  const known = {
    session_id: sessionIdOfLog(head.path),
    next_offset: offsetAt(head, next),
    up_to_date: upToDate,
  };
  // The messages are JSON already, and go out as they are stored.
  const open = Buffer.from(`event: data\ndata: ${JSON.stringify(known).slice(0, -1)},"events":[`);
  return new SseFrame(Buffer.concat([open, ...parts, CLOSE]));
}

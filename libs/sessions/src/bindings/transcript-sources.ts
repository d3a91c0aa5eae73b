import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { LogReader, LogRepository, pageBytes } from '@holdfast/durable-streams';
import { sessionLogKey } from '@holdfast/sessions-streams';
import {
  EventSource,
  LogTail,
  ProjectionProgress,
  type EventBatch,
  type PositionedEvent,
  type SessionLogTail,
} from '@holdfast/sessions-transcripts';

/** Transcripts read the log. */
@Injectable()
export class LogEventSource extends EventSource {
  constructor(
    private readonly reader: LogReader,
    private readonly repository: LogRepository,
  ) {
    super();
  }

  async read(session: SessionKey, from: number, limit: number): Promise<EventBatch> {
    const head = await this.repository.head(sessionLogKey(session));
    // Its session was deleted: whatever was still to be done for it is done.
    if (head?.state !== 'live') return { events: [], generation: 0, tail: 0 };
    const page = await this.reader.page(head, from);
    const events = JSON.parse(`[${pageBytes(page).toString('utf8')}]`) as PositionedEvent['event'][];
    return {
      events: events.slice(0, limit).map((event, index) => ({ position: from + index, event })),
      generation: head.generation,
      tail: head.tail,
    };
  }
}

/** The log keeps how far it was projected. */
@Injectable()
export class LogProjectionProgress extends ProjectionProgress {
  constructor(private readonly repository: LogRepository) {
    super();
  }

  advance(tx: Transaction, session: SessionKey, generation: number, from: number, to: number): Promise<boolean> {
    return this.repository.advanceProjected(tx, sessionLogKey(session), generation, from, to);
  }
}

/** Readers of a transcript are told how long the log is. */
@Injectable()
export class SessionLogTails extends LogTail {
  constructor(private readonly repository: LogRepository) {
    super();
  }

  async of(session: SessionKey): Promise<SessionLogTail> {
    const head = await this.repository.head(sessionLogKey(session));
    return head
      ? { exists: true, generation: head.generation, tail: head.tail }
      : { exists: false, generation: 0, tail: 0 };
  }
}

import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { AppendQueue, type SettledAppend } from './append-queue.js';
import { LogMoves } from './log-moves.js';
import { LogRepository, type LogKey } from './log.repository.js';
import { LogWriter, type LogAppend, type LogAuthor, type Producer } from './log-writer.js';
import type { RunnerEvents } from './runner-append.js';
import { encodeMessage, type SessionEvent } from './session-event.js';

/** The server fixes the producer of a session's log: its one runner at a time. */
export const RUNNER_PRODUCER_ID = 'runner';

export const sessionLogPath = (session_id: string) => `sessions/${session_id}/events`;
export const controlLogPath = (replica_id: string) => `runners/${replica_id}/control`;
/** Where the log is read and written over HTTP. */
export const logUrlPath = (path: string) => `/v1/stream/${path}`;
export const sessionLogKey = ({ project_id, session_id }: SessionKey): LogKey => ({
  project_id,
  path: sessionLogPath(session_id),
});

/**
 * The two doors of the log. `appendAsRunner` commits by itself, in groups; `appendWithin` joins the transaction that
 * makes a fact, as its last statement.
 */
@Injectable()
export class LogService {
  private readonly buffers = new WeakMap<Transaction, LogAppend[]>();

  constructor(
    private readonly repository: LogRepository,
    private readonly queue: AppendQueue,
    private readonly writer: LogWriter,
    private readonly moves: LogMoves,
  ) {}

  createSessionLog(tx: Transaction, session: SessionKey, generation: number): Promise<void> {
    return this.repository.create(tx, sessionLogKey(session), generation, true);
  }

  createControlLog(tx: Transaction, project_id: string, replica_id: string): Promise<void> {
    return this.repository.create(tx, { project_id, path: controlLogPath(replica_id) }, 1, false);
  }

  /** What a runner writes for the turn it owns. Refused with stale_epoch once it owns it no longer. */
  appendAsRunner(
    session: SessionKey,
    { turn_id, messages }: RunnerEvents,
    producer: Omit<Producer, 'id'>,
  ): Promise<SettledAppend> {
    return this.queue.append({
      ...sessionLogKey(session),
      messages,
      turn_id,
      producer: { id: RUNNER_PRODUCER_ID, ...producer },
    });
  }

  /** An event of a session in the commit of the fact that it tells. `writer` changes who may append from then on. */
  appendWithin(
    tx: Transaction,
    session: SessionKey,
    event: Omit<SessionEvent, 'at'>,
    change: { writer?: LogAuthor | null } = {},
  ): void {
    const message = encodeMessage({
      type: event.type,
      at: new Date().toISOString(),
      turn_id: event.turn_id,
      data: event.data,
    });
    this.buffer(tx, { ...sessionLogKey(session), messages: [message], ...change });
  }

  /** A command for a runner, in the commit of the fact that caused it. */
  commandWithin(tx: Transaction, project_id: string, replica_id: string, command: object): void {
    this.buffer(tx, { project_id, path: controlLogPath(replica_id), messages: [encodeMessage(command)] });
  }

  private buffer(tx: Transaction, append: LogAppend): void {
    const waiting = this.buffers.get(tx);
    if (waiting) {
      waiting.push(append);
      return;
    }
    const appends = [append];
    this.buffers.set(tx, appends);
    tx.lastly(async () => {
      const { outcomes, moved } = await this.writer.write(tx, appends, false);
      const refused = outcomes.find((outcome) => outcome.kind === 'refused');
      if (refused) throw refused.error;
      tx.afterCommit(() => this.moves.announce(moved));
    });
  }
}

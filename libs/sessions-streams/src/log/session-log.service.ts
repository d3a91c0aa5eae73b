import { Injectable } from '@nestjs/common';
import { LogLifecycle, LogService, type AppendOutcome, type LogAuthor, type LogKey } from '@holdfast/durable-streams';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';
import { turnChannel } from '../control/turn.channel.js';
import type { RunnerEvents } from './runner-append.js';
import { encodeMessage, type SessionEvent } from './session-event.js';

/** The server fixes the producer of a session's log: its one runner at a time. */
export const RUNNER_PRODUCER_ID = 'runner';

/** Logs below these are made, written and removed by the operations of sessions, runners and tasks only. */
const RESERVED_PATH = /^(sessions|runners|tasks)(\/|$)/;

export const sessionLogPath = (session_id: string) => `sessions/${session_id}/events`;
/** The session whose log is at a path that `sessionLogPath` made. */
export const sessionIdOfLog = (path: string) => path.split('/')[1]!;
export const isSessionLogPath = (path: string) => /^sessions\/[^/]+\/events$/.test(path);
export const controlLogPath = (replica_id: string) => `runners/${replica_id}/control`;
export const isReservedLogPath = (path: string) => RESERVED_PATH.test(path);
/** Where the log is read and written over HTTP. */
export const logUrlPath = (path: string) => `/v1/stream/${path}`;
export const sessionLogKey = ({ project_id, session_id }: SessionKey): LogKey => ({
  project_id,
  path: sessionLogPath(session_id),
});

/** The logs of sessions and runners. `appendAsRunner` commits by itself; the others join the caller's transaction. */
@Injectable()
export class SessionLogService {
  constructor(
    private readonly log: LogService,
    private readonly lifecycle: LogLifecycle,
    private readonly signals: Signals,
  ) {}

  createSessionLog(tx: Transaction, session: SessionKey, generation: number): Promise<void> {
    return this.lifecycle.createWithin(tx, sessionLogKey(session), { generation, projected: true });
  }

  /** Keeps the log of a session that is being made, and is not everybody's, from patterns of subscriptions. */
  unlistSessionLog(tx: Transaction, session: SessionKey): Promise<void> {
    return this.lifecycle.unlistWithin(tx, sessionLogKey(session));
  }

  /** Removes the log after whatever else the transaction appends to it: its readers are told, and views of it end. */
  deleteSessionLog(tx: Transaction, session: SessionKey): void {
    tx.lastly(() => this.lifecycle.deleteWithin(tx, sessionLogKey(session)));
  }

  createControlLog(tx: Transaction, project_id: string, replica_id: string): Promise<void> {
    const key = { project_id, path: controlLogPath(replica_id) };
    return this.lifecycle.createWithin(tx, key, { generation: 1, projected: false });
  }

  /** What a runner writes for the turn it owns. Refused with stale_epoch once it owns it no longer. */
  appendAsRunner(
    session: SessionKey,
    { turn_id, messages }: RunnerEvents,
    { epoch, seq }: { epoch: number; seq: number },
  ): Promise<AppendOutcome> {
    return this.log.append({
      ...sessionLogKey(session),
      messages,
      author: { epoch, turn_id },
      producer: { id: RUNNER_PRODUCER_ID, epoch, seq },
    });
  }

  /**
   * An event of a session in the commit of the fact that it tells. `writer` changes who may append from then on;
   * `if_present`: where the log is gone, nobody is told.
   */
  appendWithin(
    tx: Transaction,
    session: SessionKey,
    event: Omit<SessionEvent, 'at'>,
    change: { writer?: LogAuthor | null; if_present?: true } = {},
  ): void {
    const message = encodeMessage({
      type: event.type,
      at: new Date().toISOString(),
      turn_id: event.turn_id,
      data: event.data,
    });
    this.log.appendWithin(tx, { ...sessionLogKey(session), messages: [message], ...change });
    // Whoever waits for a turn looks when one changes, and no change goes without an event.
    if (event.type.startsWith('turn.')) tx.afterCommit(() => this.signals.publish(turnChannel(session), ''));
  }

  /**
   * A command for a runner, in the commit of the fact that caused it. A runner without a log misses it: whatever became
   * of that log, the fact stands.
   */
  commandWithin(tx: Transaction, project_id: string, replica_id: string, command: object): void {
    const path = controlLogPath(replica_id);
    this.log.appendWithin(tx, { project_id, path, messages: [encodeMessage(command)], if_present: true });
  }
}

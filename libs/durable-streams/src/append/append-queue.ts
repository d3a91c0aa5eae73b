import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { AppendBacklogFull, LogUnavailable } from '../durable-streams.errors.js';
import { LogHub } from '../live/log-hub.js';
import { keyOf } from '../log-head.js';
import { LogRepository, type WriteResult } from '../log.repository.js';
import { judgeGroup, type JudgedGroup, type KnownLog } from './append-group.js';
import { KnownLogs } from './known-logs.js';
import type { AppendOutcome, KeyedAppend, LogAppend } from './log-append.js';

const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const MAX_GROUP_BYTES = 4 * 1024 * 1024;
const MAX_GROUP_APPENDS = 256;

/** How long an append waits for a log that another transaction holds or keeps changing. */
const BUSY_LIMIT_MS = 5_000;
const FIRST_BUSY_PAUSE_MS = 2;
const LONGEST_BUSY_PAUSE_MS = 100;

interface Waiting extends KeyedAppend {
  bytes: number;
  since: number;
  settle: (outcome: AppendOutcome) => void;
}

/** An outcome, or why the append must be judged again in a later group. */
type Attempt = AppendOutcome | { kind: 'held' } | { kind: 'stale' };

/** A log that was held by another transaction, and when to try it again. */
interface BusyLog {
  pauseMs: number;
  retryAt: number;
}

/**
 * Gathers the appends that arrive while a commit is under way and commits them together, across logs, in one statement.
 * They are judged by what is remembered of their logs; the statement leaves out a log whose version is another, and its
 * appends are judged again. An outcome is given only after the commit it depends on. Appends of one log never change
 * order: those of a log that another transaction holds wait apart, and hold up nobody else.
 */
@Injectable()
export class AppendQueue {
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private readonly busy = new Map<string, BusyLog>();
  private flushing = false;

  constructor(
    private readonly logs: KnownLogs,
    private readonly repository: LogRepository,
    private readonly hub: LogHub,
  ) {}

  /** Resolves once the append is durable or refused. Throws append_backlog_full (over 64 MiB wait). */
  append(append: LogAppend): Promise<AppendOutcome> {
    const bytes = append.messages.reduce((sum, message) => sum + message.length, 0);
    if (this.waitingBytes + bytes > MAX_WAITING_BYTES) throw AppendBacklogFull({ limit: MAX_WAITING_BYTES });
    return new Promise((settle) => {
      this.waiting.push({ append, key: keyOf(append), bytes, since: Date.now(), settle });
      this.waitingBytes += bytes;
      if (!this.flushing) void this.flush();
    });
  }

  private async flush(): Promise<void> {
    this.flushing = true;
    while (this.waiting.length) {
      // Requests that have arrived but are not read yet join the group: fewer commits, and so less work for each append.
      await new Promise(setImmediate);
      const group = this.takeGroup();
      if (group.length) this.conclude(group, await this.commit(group));
      else await sleep(FIRST_BUSY_PAUSE_MS);
    }
    this.flushing = false;
  }

  /** The next appends in line, but for those of logs that are not due to be tried again. */
  private takeGroup(): Waiting[] {
    const now = Date.now();
    const group: Waiting[] = [];
    const left: Waiting[] = [];
    let bytes = 0;
    let isFull = false;
    for (const waiting of this.waiting) {
      const isHeld = this.busy.size > 0 && (this.busy.get(waiting.key)?.retryAt ?? 0) > now;
      // Full for all that follow: a small append must not get past a large one of its log.
      isFull ||=
        !isHeld &&
        (group.length === MAX_GROUP_APPENDS || (group.length > 0 && bytes + waiting.bytes > MAX_GROUP_BYTES));
      if (isHeld || isFull) {
        left.push(waiting);
      } else {
        group.push(waiting);
        bytes += waiting.bytes;
      }
    }
    this.waiting = left;
    return group;
  }

  private conclude(group: Waiting[], attempts: Attempt[]): void {
    const again: Waiting[] = [];
    const held = new Set<string>();
    group.forEach((waiting, index) => {
      const attempt = attempts[index]!;
      if (attempt.kind !== 'held' && attempt.kind !== 'stale') {
        this.busy.delete(waiting.key);
        this.settle(waiting, attempt);
      } else if (Date.now() - waiting.since > BUSY_LIMIT_MS) {
        this.busy.delete(waiting.key);
        this.settle(waiting, { kind: 'refused', error: LogUnavailable() });
      } else {
        if (attempt.kind === 'held') held.add(waiting.key);
        again.push(waiting);
      }
    });
    for (const key of held) {
      const pauseMs = Math.min((this.busy.get(key)?.pauseMs ?? FIRST_BUSY_PAUSE_MS / 2) * 2, LONGEST_BUSY_PAUSE_MS);
      this.busy.set(key, { pauseMs, retryAt: Date.now() + pauseMs });
    }
    this.waiting.unshift(...again);
  }

  private settle({ bytes, settle }: Waiting, outcome: AppendOutcome): void {
    this.waitingBytes -= bytes;
    settle(outcome);
  }

  private async commit(appends: KeyedAppend[]): Promise<Attempt[]> {
    try {
      const { judged, known } = await this.judge(appends);
      const results = judged.changes.heads.length ? await this.repository.write(judged.changes) : [];
      return this.settleLogs(appends, judged, known, results);
    } catch (cause) {
      // Whether it was committed is not known.
      for (const { key } of appends) this.logs.forget(key);
      return appends.map(() => ({ kind: 'refused', error: LogUnavailable(undefined, { cause }) }));
    }
  }

  /** Nobody is refused, nor told of a duplicate, by what may be out of date. */
  private async judge(appends: KeyedAppend[]): Promise<{ judged: JudgedGroup; known: Map<string, KnownLog> }> {
    const { known, fresh } = await this.logs.of(appends);
    const judged = judgeGroup(appends, known);
    const doubtful = appends.filter(({ key }, index) => judged.outcomes[index]!.kind !== 'appended' && !fresh.has(key));
    if (!doubtful.length) return { judged, known };
    const keys = new Set(doubtful.map(({ key }) => key));
    await this.logs.refresh(
      appends.filter(({ key }) => keys.has(key)),
      known,
    );
    return { judged: judgeGroup(appends, known), known };
  }

  private settleLogs(
    appends: KeyedAppend[],
    judged: JudgedGroup,
    known: Map<string, KnownLog>,
    results: WriteResult[],
  ): Attempt[] {
    const failed = new Map<string, Exclude<WriteResult, 'written'>>();
    let index = 0;
    for (const [key, log] of judged.after) {
      const result = results[index++]!;
      if (result === 'written') {
        this.logs.remember(key, log.known);
        this.hub.announce({ head: log.known.head, segments: log.segments });
      } else {
        this.logs.forget(key);
        failed.set(key, result);
      }
    }
    for (const [key, { head, producers }] of known) {
      if (judged.after.has(key)) continue;
      if (head?.state === 'live') this.logs.remember(key, { head, producers });
      else this.logs.forget(key);
    }
    if (!failed.size) return judged.outcomes;
    return appends.map(({ key }, index) => {
      const failure = failed.get(key);
      return failure ? { kind: failure } : judged.outcomes[index]!;
    });
  }
}

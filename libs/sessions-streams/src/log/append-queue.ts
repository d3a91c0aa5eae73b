import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { AppendBacklogFull, LogUnavailable } from './log.errors.js';
import { LogMoves } from './log-moves.js';
import type { LogKey } from './log.repository.js';
import { LogWriter, type AppendOutcome, type LogAppend } from './log-writer.js';

const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const MAX_GROUP_BYTES = 4 * 1024 * 1024;
const MAX_GROUP_APPENDS = 500;

/** How long an append waits for a log that another transaction holds. */
const BUSY_LIMIT_MS = 5_000;
const FIRST_BUSY_PAUSE_MS = 2;
const LONGEST_BUSY_PAUSE_MS = 100;

/** What became of an append once nothing is left to wait for. */
export type SettledAppend = Exclude<AppendOutcome, { kind: 'busy' }>;

interface Waiting {
  append: LogAppend;
  bytes: number;
  since: number;
  settle: (outcome: SettledAppend) => void;
}

/** A log that was held by another transaction, and when to try it again. */
interface BusyLog {
  pauseMs: number;
  retryAt: number;
}

const keyOf = ({ project_id, path }: LogKey) => `${project_id} ${path}`;

/**
 * The first door of the log: gathers the appends that arrive while a commit is under way and commits them together,
 * across logs. An outcome is given only after the commit it depends on. Appends of one log never change order: those
 * of a log that another transaction holds wait apart, and hold up nobody else.
 */
@Injectable()
export class AppendQueue {
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private readonly busy = new Map<string, BusyLog>();
  private flushing = false;

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly writer: LogWriter,
    private readonly moves: LogMoves,
  ) {}

  /** Resolves once the append is durable or refused. Throws append_backlog_full (over 64 MiB wait). */
  append(append: LogAppend): Promise<SettledAppend> {
    const bytes = append.messages.reduce((sum, message) => sum + message.length, 0);
    if (this.waitingBytes + bytes > MAX_WAITING_BYTES) throw AppendBacklogFull({ limit: MAX_WAITING_BYTES });
    return new Promise((settle) => {
      this.waiting.push({ append, bytes, since: Date.now(), settle });
      this.waitingBytes += bytes;
      if (!this.flushing) void this.flush();
    });
  }

  private async flush(): Promise<void> {
    this.flushing = true;
    // Appends of the same tick join the first group.
    await new Promise(setImmediate);
    while (this.waiting.length) {
      const group = this.takeGroup();
      if (group.length) this.conclude(group, await this.commit(group.map(({ append }) => append)));
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
    for (const waiting of this.waiting) {
      const isHeld = (this.busy.get(keyOf(waiting.append))?.retryAt ?? 0) > now;
      const isFull =
        group.length === MAX_GROUP_APPENDS || (group.length > 0 && bytes + waiting.bytes > MAX_GROUP_BYTES);
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

  private conclude(group: Waiting[], outcomes: AppendOutcome[]): void {
    const again: Waiting[] = [];
    const held = new Set<string>();
    group.forEach((waiting, index) => {
      const outcome = outcomes[index]!;
      if (outcome.kind !== 'busy') {
        this.busy.delete(keyOf(waiting.append));
        this.settle(waiting, outcome);
      } else if (Date.now() - waiting.since > BUSY_LIMIT_MS) {
        this.settle(waiting, { kind: 'refused', error: LogUnavailable() });
      } else {
        held.add(keyOf(waiting.append));
        again.push(waiting);
      }
    });
    for (const key of held) {
      const pauseMs = Math.min((this.busy.get(key)?.pauseMs ?? FIRST_BUSY_PAUSE_MS / 2) * 2, LONGEST_BUSY_PAUSE_MS);
      this.busy.set(key, { pauseMs, retryAt: Date.now() + pauseMs });
    }
    this.waiting.unshift(...again);
  }

  private settle({ bytes, settle }: Waiting, outcome: SettledAppend): void {
    this.waitingBytes -= bytes;
    settle(outcome);
  }

  private async commit(appends: LogAppend[]): Promise<AppendOutcome[]> {
    try {
      return await this.unitOfWork.run(async (tx) => {
        const { outcomes, moved } = await this.writer.write(tx, appends, true);
        tx.afterCommit(() => this.moves.announce(moved));
        return outcomes;
      });
    } catch (cause) {
      return appends.map(() => ({ kind: 'refused', error: LogUnavailable(undefined, { cause }) }));
    }
  }
}

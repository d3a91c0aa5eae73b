import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { LogUnavailable, StreamDeleted, StreamNotFound } from '../durable-streams.errors.js';
import { LogHub } from '../live/log-hub.js';
import { LogRepository } from '../log.repository.js';
import { judgeGroup, type JudgedGroup } from './append-group.js';
import { AppendQueue } from './append-queue.js';
import { KnownLogs } from './known-logs.js';
import { keyed, type AppendOutcome, type LogAppend } from './log-append.js';

/** How an append is refused to a log that is not there. */
const GONE = [StreamNotFound.code, StreamDeleted.code];

/**
 * The two doors of the log: `append` commits by itself, in groups; `appendWithin` joins the transaction that makes a
 * fact, as its last statement. The same rules judge both.
 */
@Injectable()
export class LogService {
  private readonly buffers = new WeakMap<Transaction, LogAppend[]>();

  constructor(
    private readonly queue: AppendQueue,
    private readonly logs: KnownLogs,
    private readonly repository: LogRepository,
    private readonly hub: LogHub,
  ) {}

  /** Resolves once the append is durable, was so before, or is refused. Throws append_backlog_full. */
  append(append: LogAppend): Promise<AppendOutcome> {
    return this.queue.append(append);
  }

  /** Is in the log exactly when the transaction commits; where it is refused, the transaction fails (but see `if_present`). */
  appendWithin(tx: Transaction, append: LogAppend): void {
    const waiting = this.buffers.get(tx);
    if (waiting) {
      waiting.push(append);
      return;
    }
    const appends = [append];
    this.buffers.set(tx, appends);
    tx.lastly(async () => void (await this.write(tx, appends)));
  }

  /** As `appendWithin`, now: for whoever must know what became of it before the transaction ends. */
  async write(tx: Transaction, appends: LogAppend[]): Promise<AppendOutcome[]> {
    const group = appends.map(keyed);
    const judged = judgeGroup(group, await this.logs.lock(tx, group));
    for (const [index, outcome] of judged.outcomes.entries()) {
      if (outcome.kind !== 'refused') continue;
      const isLeftOut = appends[index]!.if_present && GONE.includes(outcome.error.code);
      if (!isLeftOut) throw outcome.error;
    }
    const results = judged.changes.heads.length ? await this.repository.write(judged.changes, tx) : [];
    // They are locked, so only a log that expired this moment is left out.
    if (results.some((result) => result !== 'written')) throw LogUnavailable();
    tx.afterCommit(() => this.announce(judged));
    return judged.outcomes;
  }

  private announce({ after }: JudgedGroup): void {
    for (const [key, { known, segments }] of after) {
      this.logs.forget(key);
      this.hub.announce({ head: known.head, segments });
    }
  }
}

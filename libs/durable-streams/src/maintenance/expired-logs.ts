import { Injectable, Logger } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { LogLifecycle } from '../lifecycle/log-lifecycle.service.js';
import type { LogKey } from '../log-head.js';
import { claimLog } from './claim-log.js';

const LOGS_PER_BATCH = 100;

/** What a round did. */
export interface Expiry {
  logs: number;
}

interface ExpiredLog extends LogKey {
  id: number;
  /** As text: a Date would lose its microseconds. */
  expires_at: string;
}

/**
 * Deletes logs whose time has passed, as their owner's DELETE would. Nobody sees the difference: whoever asks for such a
 * log is told at once that there is none.
 */
@Injectable()
export class ExpiredLogs {
  private readonly logger = new Logger(ExpiredLogs.name);

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly lifecycle: LogLifecycle,
  ) {}

  /** One round over all of them. Ends early when `stopping` aborts. Safe with any number of workers. */
  async sweep(stopping: AbortSignal): Promise<Expiry> {
    const done: Expiry = { logs: 0 };
    let logs: ExpiredLog[] = [];
    do {
      logs = await this.expired(logs.at(-1));
      for (const log of logs) if (!stopping.aborted && (await this.tryToRemove(log))) done.logs += 1;
    } while (logs.length === LOGS_PER_BATCH && !stopping.aborted);
    return done;
  }

  private expired(after: ExpiredLog | undefined): Promise<ExpiredLog[]> {
    return this.unitOfWork.query<ExpiredLog>(
      `SELECT project_id, path, id, expires_at::text AS expires_at FROM log_streams
        WHERE expires_at <= now() AND deleted_at IS NULL
          AND ($2::timestamptz IS NULL OR (expires_at, id) > ($2, $3::bigint))
        ORDER BY log_streams.expires_at, id LIMIT $1`,
      [LOGS_PER_BATCH, after?.expires_at ?? null, after?.id ?? null],
    );
  }

  private async tryToRemove(log: ExpiredLog): Promise<boolean> {
    try {
      return await this.unitOfWork.run((tx) => this.remove(tx, log));
    } catch (error) {
      // One log that cannot be removed must not hold up the others.
      this.logger.error({ event: 'expiry.failed', project_id: log.project_id, log_id: log.id, err: error });
      return false;
    }
  }

  private async remove(tx: Transaction, log: ExpiredLog): Promise<boolean> {
    return (await claimLog(tx, log.id)) && this.lifecycle.removeExpired(tx, log);
  }
}

import { Injectable, Logger } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { claimLog } from './claim-log.js';

const PIECES_PER_BATCH = 100;

/** What one transaction removes at most: rows, and about how many bytes. */
const STEP_ROWS = 1_000;
const STEP_BYTES = 16 * 1024 * 1024;

/** What a round removed. */
export interface GarbageCollection {
  segments: number;
  producers: number;
}

/** What a trim or a delete left in `log_garbage`. */
interface Piece {
  project_id: string;
  id: number;
  log_id: number;
  /** Null: all of the log. */
  upto: number | null;
}

/**
 * Removes the rows that deleting and trimming logs leave behind. Both write down in their own commit what may go, so it
 * goes however often a worker dies over it, and neither takes longer for a long log.
 */
@Injectable()
export class LogGarbage {
  private readonly logger = new Logger(LogGarbage.name);

  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** One round over all of it. Ends early when `stopping` aborts. Safe with any number of workers. */
  async collect(stopping: AbortSignal): Promise<GarbageCollection> {
    const done: GarbageCollection = { segments: 0, producers: 0 };
    let pieces: Piece[] = [];
    do {
      pieces = await this.pieces(pieces.at(-1));
      for (const piece of pieces) if (!stopping.aborted) await this.tryToRemove(piece, stopping, done);
    } while (pieces.length === PIECES_PER_BATCH && !stopping.aborted);
    return done;
  }

  private pieces(after: Piece | undefined): Promise<Piece[]> {
    return this.unitOfWork.query<Piece>(
      `SELECT project_id, id, log_id, upto FROM log_garbage
        WHERE $2::uuid IS NULL OR (project_id, id) > ($2, $3::bigint)
        ORDER BY project_id, id LIMIT $1`,
      [PIECES_PER_BATCH, after?.project_id ?? null, after?.id ?? null],
    );
  }

  private async tryToRemove(piece: Piece, stopping: AbortSignal, done: GarbageCollection): Promise<void> {
    try {
      while (!stopping.aborted && (await this.removeSome(piece, done)));
    } catch (error) {
      // What cannot be removed must not hold up the rest.
      this.logger.error({ event: 'garbage.failed', project_id: piece.project_id, log_id: piece.log_id, err: error });
    }
  }

  /** False when nothing is left of it, or another worker has the log. */
  private removeSome(piece: Piece, done: GarbageCollection): Promise<boolean> {
    return this.unitOfWork.run(async (tx) => {
      if (!(await claimLog(tx, piece.log_id))) return false;
      const segments = await this.removeSegments(tx, piece);
      const producers = segments === 0 && piece.upto === null ? await this.removeProducers(tx, piece) : 0;
      const isMore = segments + producers > 0;
      if (!isMore)
        await tx.query(`DELETE FROM log_garbage WHERE project_id = $1 AND id = $2`, [piece.project_id, piece.id]);
      tx.afterCommit(() => {
        done.segments += segments;
        done.producers += producers;
      });
      return isMore;
    });
  }

  private async removeSegments(tx: Transaction, { project_id, log_id, upto }: Piece): Promise<number> {
    const rows = await tx.query(
      `DELETE FROM log_segments WHERE project_id = $1 AND log_id = $2 AND upto <= (
         SELECT max(upto) FROM (
           SELECT upto, weight, sum(weight) OVER (ORDER BY upto) AS total
             FROM (SELECT upto, octet_length(body) + octet_length(lengths) AS weight FROM log_segments
                    WHERE project_id = $1 AND log_id = $2 AND ($3::bigint IS NULL OR upto <= $3)
                    ORDER BY upto LIMIT $4) oldest
         ) step WHERE total - weight < $5)
       RETURNING upto`,
      [project_id, log_id, upto, STEP_ROWS, STEP_BYTES],
    );
    return rows.length;
  }

  private async removeProducers(tx: Transaction, { project_id, log_id }: Piece): Promise<number> {
    const rows = await tx.query(
      `DELETE FROM log_producers WHERE project_id = $1 AND log_id = $2 AND producer_id IN (
         SELECT producer_id FROM log_producers WHERE project_id = $1 AND log_id = $2 LIMIT $3)
       RETURNING producer_id`,
      [project_id, log_id, STEP_ROWS],
    );
    return rows.length;
  }
}

import type { SessionKey, Transaction } from '@holdfast/platform-postgres';

/** The log's own mark of how far it was projected: it finds lagging logs by it, and never trims past it. */
export abstract class ProjectionProgress {
  /** Moves the mark of one generation from `from` to `to`. False when it is not at `from`; the caller then rolls back. */
  abstract advance(
    tx: Transaction,
    session: SessionKey,
    generation: number,
    from: number,
    to: number,
  ): Promise<boolean>;
}

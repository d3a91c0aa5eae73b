import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { StreamsConfig } from '../streams.config.js';

/** How many slots a project gets at once, so that starts seldom wait for one that makes some. */
const SLOTS_AT_ONCE = 50;

/**
 * The cap of a project's live turns as slots that sessions hold. It is a lease, never a count: a slot whose session has
 * no live turn, or whose owner let its lease run out a whole lease ago, is free for the next one, whatever was forgotten.
 * Before that the owner may only have been unable to beat, as all are while the database is away.
 */
@Injectable()
export class TurnSlotsRepository {
  constructor(private readonly config: StreamsConfig) {}

  /** Takes a slot for the session, or keeps the one that it holds. False when there is none. */
  async take(tx: Transaction, session: SessionKey): Promise<boolean> {
    // Others may take what was made before this one looks; then more is made, up to the limit.
    do if (await this.takeFree(tx, session)) return true;
    while (await this.addSlots(tx, session.project_id));
    return (await this.takeFree(tx, session)) || this.takeAbandoned(tx, session);
  }

  async release(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(`UPDATE project_turn_slots SET session_id = NULL WHERE project_id = $1 AND session_id = $2`, [
      project_id,
      session_id,
    ]);
  }

  private async takeFree(tx: Transaction, { project_id, session_id }: SessionKey): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE project_turn_slots SET session_id = $2
        WHERE project_id = $1 AND slot = coalesce(
          (SELECT slot FROM project_turn_slots WHERE project_id = $1 AND session_id = $2),
          (SELECT slot FROM project_turn_slots WHERE project_id = $1 AND session_id IS NULL AND slot < $3
            LIMIT 1 FOR UPDATE SKIP LOCKED))
       RETURNING slot`,
      [project_id, session_id, this.config.maxLiveTurnsPerProject],
    );
    return rows.length > 0;
  }

  /** Makes more slots, or waits for somebody who does. False when there are as many as there may be. */
  private async addSlots(tx: Transaction, project_id: string): Promise<boolean> {
    const known = await tx.queryOne<{ next: number }>(
      `SELECT coalesce(max(slot) + 1, 0) AS next FROM project_turn_slots WHERE project_id = $1`,
      [project_id],
    );
    const upto = Math.min(known!.next + SLOTS_AT_ONCE, this.config.maxLiveTurnsPerProject);
    if (known!.next >= upto) return false;
    await tx.query(
      `INSERT INTO project_turn_slots (project_id, slot) SELECT $1, generate_series($2::int, $3::int - 1)
       ON CONFLICT DO NOTHING`,
      [project_id, known!.next, upto],
    );
    return true;
  }

  private async takeAbandoned(tx: Transaction, { project_id, session_id }: SessionKey): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE project_turn_slots SET session_id = $2
        WHERE project_id = $1 AND slot = (
          SELECT slots.slot FROM project_turn_slots slots
            JOIN session_streams holder
              ON holder.project_id = slots.project_id AND holder.session_id = slots.session_id
           WHERE slots.project_id = $1 AND slots.slot < $3
             AND (holder.current_turn_id IS NULL OR holder.lease_until < now() - make_interval(secs => $4))
           LIMIT 1 FOR UPDATE OF slots SKIP LOCKED)
       RETURNING slot`,
      [project_id, session_id, this.config.maxLiveTurnsPerProject, this.config.leaseSeconds],
    );
    return rows.length > 0;
  }
}

import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import type { PartRow, SaveRow } from './native-rows.js';

/** How long a save, and a blob that nothing refers to, is left alone after it was last used. */
const GIVEN_UP_AFTER = `interval '1 day'`;

/** A save as it begins. */
export type NewSave = Omit<SaveRow, 'staged_bytes' | 'staged_parts' | 'finished_version'>;

/** The SQL of saves that are under way, their parts, and the blobs. */
@Injectable()
export class NativeSavesRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async insert(tx: Transaction, save: NewSave): Promise<void> {
    await tx.query(
      `INSERT INTO native_saves (project_id, save_id, session_id, conversation_id, branch_id, base_version, fork, harness,
                                 native_id, harness_version, started_at, origin, turn_id, epoch, by_id, base_bytes, base_parts)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
      [
        save.project_id,
        save.save_id,
        save.session_id,
        save.conversation_id,
        save.branch_id,
        save.base_version,
        save.fork && JSON.stringify(save.fork),
        save.harness,
        save.native_id,
        save.harness_version,
        save.started_at,
        JSON.stringify(save.origin),
        save.turn_id,
        save.epoch,
        save.by_id,
        save.base_bytes,
        save.base_parts,
      ],
    );
  }

  find(project_id: string, save_id: string): Promise<SaveRow | undefined> {
    return this.unitOfWork.queryOne<SaveRow>(`SELECT * FROM native_saves WHERE project_id = $1 AND save_id = $2`, [
      project_id,
      save_id,
    ]);
  }

  lock(tx: Transaction, project_id: string, save_id: string): Promise<SaveRow | undefined> {
    return tx.queryOne<SaveRow>(`SELECT * FROM native_saves WHERE project_id = $1 AND save_id = $2 FOR UPDATE`, [
      project_id,
      save_id,
    ]);
  }

  /** The part of a save that begins at that line of a file. */
  part(tx: Transaction, save: SaveRow, { name, from_line }: PartRow): Promise<PartRow | undefined> {
    return tx.queryOne<PartRow>(
      `SELECT name, mode, from_line, lines, bytes, digest, sha256 FROM native_save_parts
        WHERE project_id = $1 AND save_id = $2 AND name = $3 AND from_line = $4`,
      [save.project_id, save.save_id, name, from_line],
    );
  }

  /** By file and line. */
  parts(tx: Transaction, { project_id, save_id }: SaveRow): Promise<PartRow[]> {
    return tx.query<PartRow>(
      `SELECT name, mode, from_line, lines, bytes, digest, sha256 FROM native_save_parts
        WHERE project_id = $1 AND save_id = $2 ORDER BY name COLLATE "C", from_line`,
      [project_id, save_id],
    );
  }

  /** Adds a part to a locked save. */
  async insertPart(tx: Transaction, { project_id, save_id }: SaveRow, part: PartRow): Promise<void> {
    await tx.query(
      `INSERT INTO native_save_parts (project_id, save_id, name, mode, from_line, lines, bytes, digest, sha256)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [project_id, save_id, part.name, part.mode, part.from_line, part.lines, part.bytes, part.digest, part.sha256],
    );
    await tx.query(
      `UPDATE native_saves SET staged_bytes = staged_bytes + $3, staged_parts = staged_parts + 1, touched_at = now()
        WHERE project_id = $1 AND save_id = $2`,
      [project_id, save_id, part.bytes],
    );
  }

  /** The save's parts are chunks now, and their blobs are kept. */
  async finish(tx: Transaction, { project_id, save_id }: SaveRow, version: number): Promise<void> {
    await tx.query(
      `UPDATE native_blobs blob SET is_kept = true
         FROM (SELECT sha256 FROM native_blobs
                WHERE project_id = $1 AND NOT is_kept
                  AND sha256 IN (SELECT sha256 FROM native_save_parts WHERE project_id = $1 AND save_id = $2)
                ORDER BY sha256 FOR UPDATE) loose
        WHERE blob.project_id = $1 AND blob.sha256 = loose.sha256`,
      [project_id, save_id],
    );
    await this.close(tx, { project_id, save_id }, version);
  }

  /** The save came to nothing new: what it was answered with is a version that there was. */
  async close(
    tx: Transaction,
    { project_id, save_id }: Pick<SaveRow, 'project_id' | 'save_id'>,
    version: number,
  ): Promise<void> {
    await tx.query(`DELETE FROM native_save_parts WHERE project_id = $1 AND save_id = $2`, [project_id, save_id]);
    await tx.query(
      `UPDATE native_saves SET finished_version = $3, touched_at = now() WHERE project_id = $1 AND save_id = $2`,
      [project_id, save_id, version],
    );
  }

  /** Notes that the blob is about to be put, so that it is not removed. */
  async announceBlob(tx: Transaction, project_id: string, blob: { sha256: string; bytes: number }): Promise<void> {
    await tx.query(
      `INSERT INTO native_blobs (project_id, sha256, bytes) VALUES ($1, $2, $3)
           ON CONFLICT (project_id, sha256) DO UPDATE SET touched_at = now()`,
      [project_id, blob.sha256, blob.bytes],
    );
  }

  /** Notes that the blob is there. False when it was removed meanwhile. */
  async confirmBlob(tx: Transaction, project_id: string, sha256: string): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE native_blobs SET touched_at = now()
        WHERE project_id = $1 AND sha256 = $2 RETURNING sha256`,
      [project_id, sha256],
    );
    return rows.length > 0;
  }

  /** Forgets saves that were given up, or finished long ago, with their parts. Returns how many. */
  async prune(tx: Transaction, limit: number): Promise<number> {
    const rows = await tx.query<{ project_id: string; save_id: string }>(
      `DELETE FROM native_saves WHERE (project_id, save_id) IN (
         SELECT project_id, save_id FROM native_saves WHERE touched_at < now() - ${GIVEN_UP_AFTER}
          ORDER BY touched_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING project_id, save_id`,
      [limit],
    );
    await tx.query(
      `DELETE FROM native_save_parts part USING unnest($1::uuid[], $2::uuid[]) AS gone(project_id, save_id)
        WHERE part.project_id = gone.project_id AND part.save_id = gone.save_id`,
      [rows.map(({ project_id }) => project_id), rows.map(({ save_id }) => save_id)],
    );
    return rows.length;
  }

  /** One blob that nothing refers to, and nothing has for long; its row is locked and gone with the commit. */
  takeLooseBlob(tx: Transaction): Promise<{ project_id: string; sha256: string } | undefined> {
    return tx.queryOne(
      `DELETE FROM native_blobs WHERE (project_id, sha256) = (
         SELECT project_id, sha256 FROM native_blobs blob
          WHERE NOT is_kept AND touched_at < now() - ${GIVEN_UP_AFTER}
            AND NOT EXISTS (SELECT FROM native_save_parts part
                             WHERE part.project_id = blob.project_id AND part.sha256 = blob.sha256)
            -- A save that was finished while the blob's last reference went may have found it kept.
            AND NOT EXISTS (SELECT FROM native_chunks chunk
                             WHERE chunk.project_id = blob.project_id AND chunk.sha256 = blob.sha256)
          ORDER BY touched_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING project_id, sha256`,
    );
  }
}

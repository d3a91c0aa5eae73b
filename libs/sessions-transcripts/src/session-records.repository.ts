import { Injectable } from '@nestjs/common';
import { UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import type { SessionRecordType } from './dto/session-record.dto.js';
import type { NewRecord } from './projection/new-record.rules.js';
import { toJsonb } from './projection/postgres-json.rules.js';
import type { OpenItems, Projection } from './projection/transcript-projection.rules.js';

/** A projection as it was committed last. */
export interface SavedProjection extends Projection {
  generation: number;
}

/** A finished record as it is stored. */
export interface StoredRecord {
  position: number;
  turn_id: string | null;
  type: SessionRecordType;
  content: Record<string, unknown>;
  started_at: Date;
  ended_at: Date;
}

/** Which records of one generation to list, oldest first. */
export interface RecordFilter {
  generation: number;
  from: number;
  turn_id: string | undefined;
  types: SessionRecordType[] | undefined;
  limit: number;
}

@Injectable()
export class SessionRecordsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async findProjection({ project_id, session_id }: SessionKey): Promise<SavedProjection | undefined> {
    const row = await this.unitOfWork.queryOne<{ generation: number; position: number; open: OpenItems }>(
      `SELECT generation, projected_position AS position, open_items AS open FROM session_transcripts
        WHERE project_id = $1 AND session_id = $2`,
      [project_id, session_id],
    );
    return row;
  }

  /** Replaces the projection `from`, or makes the first one. False when another worker has moved it since. */
  async moveProjection(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    from: SavedProjection | undefined,
    to: SavedProjection,
  ): Promise<boolean> {
    const values = [project_id, session_id, to.generation, to.position, JSON.stringify(to.open)];
    const rows = from
      ? await tx.query(
          `UPDATE session_transcripts SET generation = $3, projected_position = $4, open_items = $5, updated_at = now()
            WHERE project_id = $1 AND session_id = $2 AND generation = $6 AND projected_position = $7
        RETURNING session_id`,
          [...values, from.generation, from.position],
        )
      : await tx.query(
          `INSERT INTO session_transcripts (project_id, session_id, generation, projected_position, open_items)
           VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING session_id`,
          values,
        );
    return rows.length > 0;
  }

  /** A record that is there already stays as it is. */
  async insertRecords(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    generation: number,
    records: NewRecord[],
  ): Promise<void> {
    if (records.length === 0) return;
    await tx.query(
      `INSERT INTO session_records
         (project_id, session_id, generation, position, turn_id, type, content, started_at, ended_at, last_position)
       SELECT $1, $2, $3, position, turn_id, type, content, started_at, ended_at, last_position
         FROM unnest($4::bigint[], $5::uuid[], $6::text[], $7::jsonb[], $8::timestamptz[], $9::timestamptz[], $10::bigint[])
           AS new (position, turn_id, type, content, started_at, ended_at, last_position)
           ON CONFLICT DO NOTHING`,
      [
        project_id,
        session_id,
        generation,
        records.map((record) => record.position),
        records.map((record) => record.turn_id),
        records.map((record) => record.type),
        records.map((record) => toJsonb(record.content)),
        records.map((record) => record.started_at),
        records.map((record) => record.ended_at),
        records.map((record) => record.last_position),
      ],
    );
  }

  /** Removes some of what was projected up to a generation, how far that went last. Returns how many rows. */
  async deleteRecords(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    generation: number,
    limit: number,
  ): Promise<number> {
    const rows = await tx.query(
      `DELETE FROM session_records WHERE ctid = ANY(ARRAY(
         SELECT ctid FROM session_records WHERE project_id = $1 AND session_id = $2 AND generation <= $3
          LIMIT $4 FOR UPDATE))
       RETURNING 1`,
      [project_id, session_id, generation, limit],
    );
    if (rows.length === 0) {
      await tx.query(`DELETE FROM session_transcripts WHERE project_id = $1 AND session_id = $2 AND generation <= $3`, [
        project_id,
        session_id,
        generation,
      ]);
    }
    return rows.length;
  }

  listRecords({ project_id, session_id }: SessionKey, filter: RecordFilter): Promise<StoredRecord[]> {
    return this.unitOfWork.query<StoredRecord>(
      `SELECT position, turn_id, type, content, started_at, ended_at FROM session_records
        WHERE project_id = $1 AND session_id = $2 AND generation = $3 AND position >= $4
          AND ($5::uuid IS NULL OR turn_id = $5) AND ($6::text[] IS NULL OR type = ANY ($6))
        ORDER BY position LIMIT $7`,
      [project_id, session_id, filter.generation, filter.from, filter.turn_id, filter.types, filter.limit],
    );
  }
}

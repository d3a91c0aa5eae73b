import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { controlLogPath } from '../log/session-log.service.js';
import { localPool } from './local-pool.rules.js';

/** One incarnation of a runner, as the key that registered it: another key cannot act as it. */
export interface RunnerReplica {
  project_id: string;
  replica_id: string;
  key_id: string;
}

/** What a replica takes, as it registered. */
export interface RunnerOffer {
  /** Pools whose turns it takes. */
  pools: string[];
  /** The pool of its machine alone, whose turns it takes as well. */
  private_pool?: string;
  /** `key=value`; it takes only turns that ask for nothing else. */
  labels: string[];
  /** Most turns that it owns at a time. */
  capacity: number;
}

/** Where a replica looks for turns, its machine's own pool among them, and what it has. */
export type RunnerPlaces = Pick<RunnerOffer, 'pools' | 'labels'>;

/** The SQL of runners. */
@Injectable()
export class RunnerReplicasRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** False when another key registered the replica. */
  async register(
    tx: Transaction,
    runner: RunnerReplica,
    { pools, private_pool, labels, capacity }: RunnerOffer,
  ): Promise<boolean> {
    const rows = await tx.query(
      `INSERT INTO runner_replicas AS r (project_id, replica_id, key_id, pools, labels, capacity, private_pool)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (project_id, replica_id) DO UPDATE
          SET pools = excluded.pools, labels = excluded.labels, capacity = excluded.capacity,
              private_pool = excluded.private_pool, seen_at = now()
        WHERE r.key_id = excluded.key_id
       RETURNING r.replica_id`,
      [runner.project_id, runner.replica_id, runner.key_id, pools, labels, capacity, private_pool ?? null],
    );
    return rows.length > 0;
  }

  /** Makes a replica its owner's, whoever registered it before: for ids that only the server gives. */
  async seize(tx: Transaction, { project_id, replica_id, key_id }: RunnerReplica): Promise<void> {
    await tx.query(
      `INSERT INTO runner_replicas (project_id, replica_id, key_id, pools, labels, capacity)
       VALUES ($1, $2, $3, '{}', '{}', 1)
       ON CONFLICT (project_id, replica_id) DO UPDATE
          SET key_id = excluded.key_id, pools = excluded.pools, labels = excluded.labels,
              capacity = excluded.capacity, private_pool = NULL, seen_at = now()`,
      [project_id, replica_id, key_id],
    );
  }

  /**
   * What the replica takes; undefined when this key registered no such replica. Marks it as seen, so that one that
   * claims and finds nothing is not forgotten.
   */
  async offer({ project_id, replica_id, key_id }: RunnerReplica): Promise<RunnerPlaces | undefined> {
    const row = await this.unitOfWork.queryOne<{ pools: string[]; private_pool: string | null; labels: string[] }>(
      `WITH seen AS (
         UPDATE runner_replicas SET seen_at = now()
          WHERE project_id = $1 AND replica_id = $2 AND key_id = $3 AND seen_at < now() - interval '1 minute')
       SELECT pools, private_pool, labels FROM runner_replicas
        WHERE project_id = $1 AND replica_id = $2 AND key_id = $3`,
      [project_id, replica_id, key_id],
    );
    if (!row) return undefined;
    const { pools, private_pool, labels } = row;
    return { pools: private_pool === null ? pools : [...pools, localPool(private_pool)], labels };
  }

  /** The private pool of the machine that a replica is on; undefined where it has none. */
  async privatePool(tx: Transaction, project_id: string, replica_id: string): Promise<string | undefined> {
    const row = await tx.queryOne<{ private_pool: string | null }>(
      `SELECT private_pool FROM runner_replicas WHERE project_id = $1 AND replica_id = $2`,
      [project_id, replica_id],
    );
    return row?.private_pool ?? undefined;
  }

  /**
   * The capacity of a replica, whose row stays locked: claims of one replica count what it owns one after the other.
   * Marks it as seen, so that it is not forgotten while it claims. Undefined when this key registered no such replica.
   */
  async lockCapacity(tx: Transaction, { project_id, replica_id, key_id }: RunnerReplica): Promise<number | undefined> {
    const row = await tx.queryOne<{ capacity: number }>(
      `UPDATE runner_replicas SET seen_at = now()
        WHERE project_id = $1 AND replica_id = $2 AND key_id = $3 RETURNING capacity`,
      [project_id, replica_id, key_id],
    );
    return row?.capacity;
  }

  /** Forgets up to `limit` replicas that were silent for a day and own nothing, with their control logs. */
  async prune(tx: Transaction, limit: number): Promise<number> {
    const gone = await tx.query<{ project_id: string; replica_id: string }>(
      `DELETE FROM runner_replicas r USING (
         SELECT project_id, replica_id FROM runner_replicas dead
          WHERE seen_at < now() - interval '1 day'
            AND NOT EXISTS (SELECT FROM session_streams s
                             WHERE s.project_id = dead.project_id AND s.owner_replica_id = dead.replica_id)
          LIMIT $1 FOR UPDATE SKIP LOCKED) silent
        WHERE r.project_id = silent.project_id AND r.replica_id = silent.replica_id
          AND r.seen_at < now() - interval '1 day'
       RETURNING r.project_id, r.replica_id`,
      [limit],
    );
    await tx.query(
      `WITH logs AS (
         DELETE FROM log_streams
          WHERE (project_id, path) IN (SELECT * FROM unnest($1::uuid[], $2::text[])) RETURNING project_id, id)
       DELETE FROM log_segments s USING logs WHERE s.project_id = logs.project_id AND s.log_id = logs.id`,
      [gone.map((row) => row.project_id), gone.map((row) => controlLogPath(row.replica_id))],
    );
    return gone.length;
  }
}

import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { controlLogPath } from '../log/session-log.service.js';

/** One incarnation of a runner, as the key that registered it: another key cannot act as it. */
export interface RunnerReplica {
  project_id: string;
  replica_id: string;
  key_id: string;
}

/** The SQL of runners. */
@Injectable()
export class RunnerReplicasRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** False when another key registered the replica. */
  async register(tx: Transaction, runner: RunnerReplica, pools: string[]): Promise<boolean> {
    const rows = await tx.query(
      `INSERT INTO runner_replicas AS r (project_id, replica_id, key_id, pools) VALUES ($1, $2, $3, $4)
       ON CONFLICT (project_id, replica_id) DO UPDATE SET pools = excluded.pools, seen_at = now()
         WHERE r.key_id = excluded.key_id
       RETURNING r.replica_id`,
      [runner.project_id, runner.replica_id, runner.key_id, pools],
    );
    return rows.length > 0;
  }

  /** The pools that the replica takes turns of; undefined when this key registered no such replica. */
  async pools({ project_id, replica_id, key_id }: RunnerReplica): Promise<string[] | undefined> {
    const row = await this.unitOfWork.queryOne<{ pools: string[] }>(
      `SELECT pools FROM runner_replicas WHERE project_id = $1 AND replica_id = $2 AND key_id = $3`,
      [project_id, replica_id, key_id],
    );
    return row?.pools;
  }

  /** Notes that the replica is there; false when this key registered no such replica. */
  async touch(tx: Transaction, { project_id, replica_id, key_id }: RunnerReplica): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE runner_replicas SET seen_at = now()
        WHERE project_id = $1 AND replica_id = $2 AND key_id = $3 RETURNING replica_id`,
      [project_id, replica_id, key_id],
    );
    return rows.length > 0;
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

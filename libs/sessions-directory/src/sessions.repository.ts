import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { IsNull, Raw, type EntityManager } from 'typeorm';
import { SessionEntity } from './entities/session.entity.js';

/** The rows of the directory. */
@Injectable()
export class SessionsRepository {
  /** Undefined when there is one already; waits for whoever is making it at this moment. */
  insert(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    { name, labels }: Pick<SessionEntity, 'name' | 'labels'>,
    by_id: string,
  ): Promise<SessionEntity | undefined> {
    // Plain SQL: of many who make it at once, one statement decides who did and what the row is.
    return tx.queryOne<SessionEntity>(
      `INSERT INTO sessions (project_id, session_id, name, labels, created_by_id, updated_by_id)
       VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING RETURNING *`,
      [project_id, session_id, name, JSON.stringify(labels), by_id],
    );
  }

  find(manager: EntityManager, { project_id, session_id }: SessionKey): Promise<SessionEntity | null> {
    return manager.getRepository(SessionEntity).findOneBy({ project_id, session_id, deleted_at: IsNull() });
  }

  /** Newest first; after the row of `after` when given. */
  list(
    manager: EntityManager,
    project_id: string,
    after: { created_at: string; session_id: string } | undefined,
    limit: number,
  ): Promise<SessionEntity[]> {
    return manager.getRepository(SessionEntity).find({
      where: {
        project_id,
        deleted_at: IsNull(),
        ...(after && { created_at: Raw((column) => `(${column}, session_id) < (:created_at, :session_id)`, after) }),
      },
      order: { created_at: 'DESC', session_id: 'DESC' },
      take: limit,
    });
  }
}

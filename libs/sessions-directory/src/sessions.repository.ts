import { Injectable } from '@nestjs/common';
import type { SessionFilter, SessionKey, Transaction } from '@holdfast/platform-postgres';
import { IsNull, Not, Raw, type EntityManager, type FindOperator } from 'typeorm';
import type { ArchivedSessions } from './dto/session-query.dto.js';
import { SessionEntity } from './entities/session.entity.js';

/** Which sessions are listed: newest first, those after the row of `after` when given. */
export interface ListedSessions {
  archived: ArchivedSessions;
  after: { created_at: string; session_id: string } | undefined;
  limit: number;
  isSeen?: SessionFilter;
}

const ARCHIVED_AT = { exclude: { archived_at: IsNull() }, only: { archived_at: Not(IsNull()) }, include: {} };

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

  /** Makes a deleted session anew, as its next generation. Undefined when it is not deleted, or somebody else was first. */
  revive(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    { name, labels }: Pick<SessionEntity, 'name' | 'labels'>,
    by_id: string,
  ): Promise<SessionEntity | undefined> {
    return tx.queryOne<SessionEntity>(
      `UPDATE sessions SET generation = generation + 1, name = $3, labels = $4, created_at = now(), updated_at = now(),
              created_by_id = $5, updated_by_id = $5, deleted_at = NULL, deleted_by_id = NULL,
              archived_at = NULL, archived_by_id = NULL
        WHERE project_id = $1 AND session_id = $2 AND deleted_at IS NOT NULL RETURNING *`,
      [project_id, session_id, name, JSON.stringify(labels), by_id],
    );
  }

  /** Undefined when there is no session, or it is so already. */
  setArchived(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    archived: boolean,
    by_id: string,
  ): Promise<SessionEntity | undefined> {
    return tx.queryOne<SessionEntity>(
      `UPDATE sessions SET archived_at = CASE WHEN $3 THEN now() END, archived_by_id = CASE WHEN $3 THEN $4::uuid END
        WHERE project_id = $1 AND session_id = $2 AND deleted_at IS NULL AND (archived_at IS NOT NULL) <> $3
       RETURNING *`,
      [project_id, session_id, archived, by_id],
    );
  }

  /** The row stays, for its generation; what people wrote in it goes. The generation that ends; undefined when there is none. */
  async markDeleted(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    by_id: string,
  ): Promise<number | undefined> {
    const row = await tx.queryOne<{ generation: number }>(
      `UPDATE sessions SET deleted_at = now(), deleted_by_id = $3, name = NULL, labels = '{}'
        WHERE project_id = $1 AND session_id = $2 AND deleted_at IS NULL RETURNING generation`,
      [project_id, session_id, by_id],
    );
    return row?.generation;
  }

  list(
    manager: EntityManager,
    project_id: string,
    { archived, after, limit, isSeen }: ListedSessions,
  ): Promise<SessionEntity[]> {
    return manager.getRepository(SessionEntity).find({
      where: {
        project_id,
        deleted_at: IsNull(),
        ...ARCHIVED_AT[archived],
        ...(isSeen && { session_id: rawFilter(isSeen) }),
        ...(after && { created_at: Raw((column) => `(${column}, session_id) < (:created_at, :session_id)`, after) }),
      },
      order: { created_at: 'DESC', session_id: 'DESC' },
      take: limit,
    });
  }
}

/** A condition in SQL, with the names that the query builder binds values by. */
function rawFilter(isSeen: SessionFilter): FindOperator<string> {
  const values: Record<string, unknown> = {};
  const bind = (value: unknown) => {
    const name = `seen_${Object.keys(values).length}`;
    values[name] = value;
    return `:${name}`;
  };
  // Once for the values: the name of the column is known only when the statement is made.
  isSeen('', bind);
  const names = Object.keys(values);
  return Raw((column) => {
    let next = 0;
    return isSeen(column, () => `:${names[next++]}`);
  }, values);
}

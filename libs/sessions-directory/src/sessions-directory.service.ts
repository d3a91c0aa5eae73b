import { Injectable } from '@nestjs/common';
import { SessionNotFound, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import type { SessionCreate } from './dto/session-create.dto.js';
import type { Session } from './dto/session.dto.js';
import type { SessionEntity } from './entities/session.entity.js';
import { toSession } from './session.mapper.js';
import { SessionsRepository } from './sessions.repository.js';

/** A session, and whether this call made it. */
export interface EnsuredSession {
  session: Session;
  created: boolean;
  generation: number;
}

/** Enters sessions in the directory and takes them out, as part of the caller's transaction. */
@Injectable()
export class SessionsDirectoryService {
  constructor(private readonly sessions: SessionsRepository) {}

  /**
   * Makes the session under the caller's id, or returns the one that exists, unchanged. One that was deleted is made anew,
   * as its next generation.
   */
  async ensure(tx: Transaction, key: SessionKey, create: SessionCreate, by_id: string): Promise<EnsuredSession> {
    const content = { name: create.name ?? null, labels: create.labels ?? {} };
    for (;;) {
      const made = await this.sessions.insert(tx, key, content, by_id);
      if (made) return ensured(made, true);
      const present = await this.sessions.find(tx.manager, key);
      if (present) return ensured(present, false);
      const revived = await this.sessions.revive(tx, key, content, by_id);
      if (revived) return ensured(revived, true);
    }
  }

  /** The session, as the transaction sees it. Errors: session_not_found. */
  async require(tx: Transaction, key: SessionKey): Promise<Session> {
    const row = await this.sessions.find(tx.manager, key);
    if (!row) throw SessionNotFound({ session_id: key.session_id });
    return toSession(row);
  }

  /** The session as it is then, and whether that is new. Errors: session_not_found. */
  async setArchived(
    tx: Transaction,
    key: SessionKey,
    archived: boolean,
    by_id: string,
  ): Promise<{ session: Session; changed: boolean }> {
    const changed = await this.sessions.setArchived(tx, key, archived, by_id);
    const row = changed ?? (await this.sessions.find(tx.manager, key));
    if (!row) throw SessionNotFound({ session_id: key.session_id });
    return { session: toSession(row), changed: changed !== undefined };
  }

  /** Takes the session out; gives the generation that ends. Errors: session_not_found. */
  async delete(tx: Transaction, key: SessionKey, by_id: string): Promise<number> {
    const generation = await this.sessions.markDeleted(tx, key, by_id);
    if (generation === undefined) throw SessionNotFound({ session_id: key.session_id });
    return generation;
  }
}

const ensured = (row: SessionEntity, created: boolean): EnsuredSession => ({
  session: toSession(row),
  created,
  generation: row.generation,
});

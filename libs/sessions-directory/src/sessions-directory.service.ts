import { Injectable } from '@nestjs/common';
import { SessionNotFound, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import type { SessionCreate } from './dto/session-create.dto.js';
import type { Session } from './dto/session.dto.js';
import { toSession } from './session.mapper.js';
import { SessionsRepository } from './sessions.repository.js';

/** A session, and whether this call made it. */
export interface EnsuredSession {
  session: Session;
  created: boolean;
  generation: number;
}

/** Enters sessions in the directory, as part of the caller's transaction. */
@Injectable()
export class SessionsDirectoryService {
  constructor(private readonly sessions: SessionsRepository) {}

  /** Makes the session under the caller's id, or returns the one that exists, unchanged. Errors: session_not_found. */
  async ensure(tx: Transaction, key: SessionKey, create: SessionCreate, by_id: string): Promise<EnsuredSession> {
    const made = await this.sessions.insert(tx, key, { name: create.name ?? null, labels: create.labels ?? {} }, by_id);
    const row = made ?? (await this.sessions.find(tx.manager, key));
    if (!row) throw SessionNotFound({ session_id: key.session_id });
    return { session: toSession(row), created: made !== undefined, generation: row.generation };
  }
}

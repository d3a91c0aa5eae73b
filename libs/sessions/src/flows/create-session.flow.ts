import { Injectable } from '@nestjs/common';
import { SessionFences, UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { SessionsDirectoryService, type Session, type SessionCreate } from '@holdfast/sessions-directory';
import { SessionTurnsService } from '@holdfast/sessions-streams';

/**
 * Makes a session in every domain that keeps something for it: fence, directory row, stream and log. One that was deleted
 * goes on with its fence, and begins its next generation.
 */
@Injectable()
export class CreateSessionFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly directory: SessionsDirectoryService,
    private readonly turns: SessionTurnsService,
  ) {}

  /** Idempotent by the caller's id: a session that exists is returned as it is. */
  run(session: SessionKey, create: SessionCreate, by_id: string): Promise<{ session: Session; created: boolean }> {
    return this.unitOfWork.run((tx) => this.within(tx, session, create, by_id));
  }

  /** The same as part of a larger change. Leaves the session's fence locked. */
  async within(
    tx: Transaction,
    key: SessionKey,
    create: SessionCreate,
    by_id: string,
  ): Promise<{ session: Session; created: boolean }> {
    await this.fences.ensure(tx, key);
    if ((await this.fences.lock(tx, key)) === undefined) await this.fences.reopen(tx, key);
    const { session, created, generation } = await this.directory.ensure(tx, key, create, by_id);
    if (created) await this.turns.openStream(tx, key, generation, session.name);
    return { session, created };
  }
}

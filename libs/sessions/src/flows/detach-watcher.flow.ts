import { Injectable } from '@nestjs/common';
import {
  IdempotencyKeys,
  SessionFences,
  SessionNotFound,
  UnitOfWork,
  type SessionKey,
  type Transaction,
} from '@holdfast/platform-postgres';
import { SessionInboxService, SessionWatchersService } from '@holdfast/sessions-streams';
import { INVOKE, type Invoked, type WatcherConnection } from './invoke-session.flow.js';

/** A watcher leaves; the turn runs on. */
@Injectable()
export class DetachWatcherFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly idempotency: IdempotencyKeys,
    private readonly fences: SessionFences,
    private readonly watchers: SessionWatchersService,
    private readonly inbox: SessionInboxService,
  ) {}

  /**
   * Whether it watched until now: one that was displaced takes nothing from whoever came after, nor does a `connection`
   * that closes after its caller has come again. Errors: session_not_found.
   */
  run(session: SessionKey, watcher_id: string, connection?: WatcherConnection): Promise<boolean> {
    return this.unitOfWork.run(async (tx) => {
      if (connection && !(await this.isNewest(tx, session, connection))) return false;
      const { session_id } = session;
      if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id });
      // Who sent a prompt that still waits is known by its id, and would be its watcher when it starts.
      await this.inbox.leave(tx, session, watcher_id);
      return this.watchers.detach(tx, session, watcher_id);
    });
  }

  private async isNewest(tx: Transaction, { project_id }: SessionKey, { key, number }: WatcherConnection) {
    const request = { project_id, operation: INVOKE, key };
    const newest = (await this.idempotency.resultOf<Invoked>(tx, request))?.connection?.number ?? number;
    return newest === number;
  }
}

import { Injectable } from '@nestjs/common';
import { SessionFences, SessionNotFound, UnitOfWork, type SessionKey } from '@holdfast/platform-postgres';
import { SessionInboxService, SessionWatchersService } from '@holdfast/sessions-streams';

/** A watcher leaves; the turn runs on. */
@Injectable()
export class DetachWatcherFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly watchers: SessionWatchersService,
    private readonly inbox: SessionInboxService,
  ) {}

  /** Whether it watched until now: one that was displaced takes nothing from whoever came after. Errors: session_not_found. */
  run(session: SessionKey, watcher_id: string): Promise<boolean> {
    return this.unitOfWork.run(async (tx) => {
      const { session_id } = session;
      if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id });
      // Who sent a prompt that still waits is known by its id, and would be its watcher when it starts.
      await this.inbox.leave(tx, session, watcher_id);
      return this.watchers.detach(tx, session, watcher_id);
    });
  }
}

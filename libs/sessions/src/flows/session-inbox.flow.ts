import { Injectable } from '@nestjs/common';
import { requireRole, type Principal } from '@holdfast/platform-auth';
import {
  SessionFences,
  SessionNotFound,
  UnitOfWork,
  type SessionKey,
  type Transaction,
} from '@holdfast/platform-postgres';
import { SessionInboxService, WITHDRAWN, type TurnRow } from '@holdfast/sessions-streams';
import { cancelledBecause, EndTurnFlow } from './end-turn.flow.js';

/** What people do with the prompts that wait. */
@Injectable()
export class SessionInboxFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly inbox: SessionInboxService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /** Puts them in another order, if these are they still. Errors: session_not_found, inbox_changed. */
  reorder(session: SessionKey, turn_ids: string[]): Promise<TurnRow[]> {
    return this.locked(session, (tx) => this.inbox.reorder(tx, session, turn_ids));
  }

  /**
   * Takes one out; again changes nothing. Through a share, one's own, or any with its highest role. Errors:
   * session_not_found, turn_not_found, not_in_inbox, permission_denied.
   */
  withdraw(principal: Principal, session_id: string, turn_id: string): Promise<TurnRow> {
    const session = { project_id: principal.project_id, session_id };
    return this.locked(session, async (tx) => {
      const { entry, alreadyWithdrawn } = await this.inbox.lockForWithdrawal(tx, session, turn_id);
      if (entry.created_by_id !== principal.key_id) requireRole(principal, 'full');
      return alreadyWithdrawn ? entry : this.endTurn.waiting(tx, entry, cancelledBecause(WITHDRAWN));
    });
  }

  private locked<T>(session: SessionKey, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.unitOfWork.run(async (tx) => {
      const { session_id } = session;
      if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id });
      return work(tx);
    });
  }
}

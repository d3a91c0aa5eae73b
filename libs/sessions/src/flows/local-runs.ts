import { Injectable } from '@nestjs/common';
import { CredentialKind, PrivateSessions, type Principal } from '@holdfast/platform-auth';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { TasksService } from '@holdfast/sessions-sharing';
import { SessionLogService, SessionNotLocal } from '@holdfast/sessions-streams';

/** Sessions whose turns run on the machine of whoever began them. */
@Injectable()
export class LocalRuns {
  constructor(
    private readonly privateSessions: PrivateSessions,
    private readonly sessionLog: SessionLogService,
    private readonly tasks: TasksService,
  ) {}

  /**
   * Makes a session that was opened just now a local one of the caller's, with its task; one that is there must be. Errors:
   * credential_kind, session_not_local.
   */
  async enter(tx: Transaction, principal: Principal, session: SessionKey, isNew: boolean): Promise<void> {
    if (principal.kind !== 'user') throw CredentialKind({ expected: ['user'], actual: principal.kind });
    const { key_id } = principal;
    if (isNew) {
      await this.hide(tx, session, key_id);
      await this.tasks.ensureOwn(tx, session, { location: 'local', source: 'cli', created_by_id: key_id });
    } else if ((await this.privateSessions.ownerOf(tx, session)) !== key_id) throw SessionNotLocal(session);
  }

  /** Makes a session that was opened just now one that only its owner sees, or learns of. */
  async hide(tx: Transaction, session: SessionKey, owner_id: string): Promise<void> {
    await this.privateSessions.add(tx, session, owner_id);
    await this.sessionLog.unlistSessionLog(tx, session);
  }
}

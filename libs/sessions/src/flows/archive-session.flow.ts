import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import {
  SessionFences,
  SessionNotFound,
  UnitOfWork,
  type SessionKey,
  type Transaction,
} from '@holdfast/platform-postgres';
import { SessionsDirectoryService, type Session } from '@holdfast/sessions-directory';
import { SessionLogService } from '@holdfast/sessions-streams';
import { EndHost } from './end-host.js';
import { cancelledBecause } from './end-turn.flow.js';
import { StopSession } from './stop-session.js';

const ARCHIVED = cancelledBecause('archived');

/** Puts a session away, and brings it back: while it is away it can be read, and takes nothing new. */
@Injectable()
export class ArchiveSessionFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly directory: SessionsDirectoryService,
    private readonly stop: StopSession,
    private readonly endHost: EndHost,
    private readonly log: SessionLogService,
  ) {}

  /** Ends what it runs, what waits in it and its shares. Again changes nothing. Errors: session_not_found. */
  archive({ project_id, key_id }: Principal, session_id: string): Promise<Session> {
    const key = { project_id, session_id };
    return this.locked(key, async (tx) => {
      const { session, changed } = await this.directory.setArchived(tx, key, true, key_id);
      if (!changed) return session;
      await this.endHost.within(tx, key, 'archived');
      const data = { ...(await this.stop.within(tx, key, ARCHIVED)), by_id: key_id };
      this.log.appendWithin(tx, key, { type: 'session.archived', turn_id: null, data });
      return session;
    });
  }

  /** Lets it take prompts again; what was ended with it stays so. Again changes nothing. Errors: session_not_found. */
  unarchive({ project_id, key_id }: Principal, session_id: string): Promise<Session> {
    const key = { project_id, session_id };
    return this.locked(key, async (tx) => {
      const { session, changed } = await this.directory.setArchived(tx, key, false, key_id);
      if (changed) {
        this.log.appendWithin(tx, key, { type: 'session.unarchived', turn_id: null, data: { by_id: key_id } });
      }
      return session;
    });
  }

  private locked<T>(key: SessionKey, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.unitOfWork.run(async (tx) => {
      if ((await this.fences.lock(tx, key)) === undefined) throw SessionNotFound({ session_id: key.session_id });
      return work(tx);
    });
  }
}

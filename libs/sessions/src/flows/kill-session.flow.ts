import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import { SessionFences, SessionNotFound, UnitOfWork } from '@holdfast/platform-postgres';
import { SessionLogService, type SessionStreamKilled } from '@holdfast/sessions-streams';
import { EndHost } from './end-host.js';
import { cancelledBecause } from './end-turn.flow.js';
import { StopSession } from './stop-session.js';

const KILLED = cancelledBecause('killed');

/** Ends what a session runs and what waits in it, whether its runner answers or not, and its shares. */
@Injectable()
export class KillSessionFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly stop: StopSession,
    private readonly endHost: EndHost,
    private readonly log: SessionLogService,
  ) {}

  /** A second one finds nothing to end. The session stays, and a prompt starts it again. Errors: session_not_found. */
  run({ project_id, key_id }: Principal, session_id: string): Promise<SessionStreamKilled> {
    const session = { project_id, session_id };
    return this.unitOfWork.run(async (tx) => {
      if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id });
      await this.endHost.within(tx, session, 'killed');
      const killed = await this.stop.within(tx, session, KILLED);
      const isIdle = killed.turn_id === null && killed.withdrawn_turn_ids.length === 0;
      if (!isIdle) {
        const data = { ...killed, by_id: key_id };
        this.log.appendWithin(tx, session, { type: 'session.killed', turn_id: null, data });
      }
      return { session_id, ...killed };
    });
  }
}

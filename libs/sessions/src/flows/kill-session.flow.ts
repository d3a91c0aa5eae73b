import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import { SessionFences, SessionNotFound, UnitOfWork } from '@holdfast/platform-postgres';
import {
  SessionInboxService,
  SessionLogService,
  SessionTurnsService,
  type SessionStreamKilled,
} from '@holdfast/sessions-streams';
import { cancelledBecause, EndTurnFlow } from './end-turn.flow.js';

const KILLED = cancelledBecause('killed');

/** Ends what a session runs and what waits in it, whether its runner answers or not. */
@Injectable()
export class KillSessionFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly turns: SessionTurnsService,
    private readonly inbox: SessionInboxService,
    private readonly log: SessionLogService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /** A second one finds nothing to end. The session stays, and a prompt starts it again. Errors: session_not_found. */
  run({ project_id, key_id }: Principal, session_id: string): Promise<SessionStreamKilled> {
    const session = { project_id, session_id };
    return this.unitOfWork.run(async (tx) => {
      if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id });
      const live = await this.turns.liveTurn(tx, session);
      const waiting = await this.inbox.all(tx, session);
      const killed = { turn_id: live?.turn_id ?? null, withdrawn_turn_ids: waiting.map(({ turn_id }) => turn_id) };
      if (!live && waiting.length === 0) return { session_id, ...killed };

      // First, so that nothing takes the place of the live turn.
      for (const entry of waiting) await this.endTurn.waiting(tx, entry, KILLED);
      if (live) {
        // Under the epoch that its runner knows.
        this.turns.command(tx, live, { type: 'kill' });
        await this.endTurn.byForce(tx, { ...live, stop_status: null }, KILLED);
      }
      this.log.appendWithin(tx, session, {
        type: 'session.killed',
        turn_id: null,
        data: { ...killed, by_id: key_id },
      });
      return { session_id, ...killed };
    });
  }
}

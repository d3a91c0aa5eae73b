import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { SessionInboxService, SessionTurnsService, type TurnEnd } from '@holdfast/sessions-streams';
import { EndTurnFlow } from './end-turn.flow.js';

/** What was ended of a session. */
export interface StoppedSession {
  /** The turn that was live; null where none was. */
  turn_id: string | null;
  /** Those that waited, the next one first. */
  withdrawn_turn_ids: string[];
}

/** Ends what a session runs and what waits in it, at once, whether its runner answers or not. */
@Injectable()
export class StopSession {
  constructor(
    private readonly turns: SessionTurnsService,
    private readonly inbox: SessionInboxService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /** Call with the session's fence locked. */
  async within(tx: Transaction, session: SessionKey, end: TurnEnd): Promise<StoppedSession> {
    const live = await this.turns.liveTurn(tx, session);
    const waiting = await this.inbox.all(tx, session);
    // First, so that nothing takes the place of the live turn.
    for (const entry of waiting) await this.endTurn.waiting(tx, entry, end);
    if (live) {
      // Under the epoch that its runner knows.
      this.turns.command(tx, live, { type: 'kill' });
      await this.endTurn.byForce(tx, { ...live, stop_status: null }, end);
    }
    return { turn_id: live?.turn_id ?? null, withdrawn_turn_ids: waiting.map(({ turn_id }) => turn_id) };
  }
}

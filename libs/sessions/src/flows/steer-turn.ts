import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import type { Transaction } from '@holdfast/platform-postgres';
import { SessionInboxService, SessionTurnsService, type TurnRow } from '@holdfast/sessions-streams';
import { EndTurnFlow, SUPERSEDED } from './end-turn.flow.js';
import { PrepareInvoke, type PromptStart } from './prepare-invoke.js';

/** Another prompt while a turn is live, in the transaction of its invoke. Each gives the turn of the new prompt. */
@Injectable()
export class SteerTurn {
  constructor(
    private readonly prepareInvoke: PrepareInvoke,
    private readonly inbox: SessionInboxService,
    private readonly turns: SessionTurnsService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /**
   * The prompt replaces the live turn: at once where nobody runs that; else it waits before all others while it stops, and
   * takes its place when it ends. What waited to replace the same turn never runs.
   */
  async new_turn(tx: Transaction, principal: Principal, live: TurnRow, start: PromptStart): Promise<TurnRow> {
    for (const earlier of await this.inbox.steered(tx, live)) await this.endTurn.waiting(tx, earlier, SUPERSEDED);
    const { turn, endNow } = await this.turns.requestStop(tx, live, 'superseded');
    if (!endNow) return this.prepareInvoke.steer(tx, principal, live, start);
    let steering: TurnRow | undefined;
    await this.endTurn.within(tx, turn, SUPERSEDED, async () => {
      steering = await this.prepareInvoke.replace(tx, principal, live, start);
    });
    return steering!;
  }

  /**
   * The prompt is handed to the agent that runs now, unless it is for another one, and where its harness can take it: then
   * its own turn is `merged`. Until then it waits before all others, and where nobody takes it, it runs as a turn of its own.
   */
  async in_turn(tx: Transaction, principal: Principal, live: TurnRow, start: PromptStart): Promise<TurnRow> {
    const { agent = { name: live.agent_name, revision: live.agent_revision } } = start;
    const offered = await this.prepareInvoke.offer(tx, principal, live, { ...start, agent });
    if (offered.in_turn_of !== null && (live.status === 'starting' || live.status === 'running')) {
      this.turns.command(tx, live, { type: 'steer', prompt_turn_id: offered.turn_id, prompt: offered.prompt });
    }
    return offered;
  }
}

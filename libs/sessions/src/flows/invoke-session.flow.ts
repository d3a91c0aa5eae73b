import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '@holdfast/platform-auth';
import {
  IdempotencyKeys,
  SessionFences,
  SessionNotFound,
  UnitOfWork,
  type SessionKey,
  type Transaction,
} from '@holdfast/platform-postgres';
import {
  commandOf,
  NoLiveTurn,
  SessionInUse,
  SessionTurnsService,
  SessionWatchersService,
  type InvokedTurn,
  type SessionStreamInvoke,
  type TurnRow,
} from '@holdfast/sessions-streams';
import { cancelledBecause, EndTurnFlow } from './end-turn.flow.js';
import { PrepareInvoke, type PromptStart } from './prepare-invoke.js';
import { SteerTurn } from './steer-turn.js';

/**
 * A person's command for a session, judged in the order of idempotency, epoch, state. Of a request that is repeated under
 * its key the first call's turn is answered; how that is by now, `AwaitStartFlow` tells.
 */
@Injectable()
export class InvokeSessionFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly idempotency: IdempotencyKeys,
    private readonly fences: SessionFences,
    private readonly prepareInvoke: PrepareInvoke,
    private readonly steerTurn: SteerTurn,
    private readonly turns: SessionTurnsService,
    private readonly watchers: SessionWatchersService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /**
   * Errors: idempotency_key_reused; permission_denied, agent_not_found, agent_revision_not_found, session_in_use,
   * project_at_capacity, inbox_full of prompts; session_not_found, no_live_turn of cancel and attach.
   */
  run(principal: Principal, invoke: SessionStreamInvoke, key: string | undefined): Promise<InvokedTurn> {
    const request = { project_id: principal.project_id, operation: 'invoke_session_stream', key, request: invoke };
    return this.unitOfWork.run((tx) => this.idempotency.once(tx, request, () => this.obey(tx, principal, invoke)));
  }

  private async obey(tx: Transaction, principal: Principal, invoke: SessionStreamInvoke): Promise<InvokedTurn> {
    const session = { project_id: principal.project_id, session_id: invoke.session_id };
    const { prompt = '', agent, detached = false } = invoke;
    const start = { prompt, agent, detached };
    switch (commandOf(invoke)) {
      case 'send':
        return this.send(tx, principal, session, start, invoke.on_busy);
      case 'steer':
        return this.steer(tx, principal, session, start, invoke.delivery);
      case 'cancel':
        return this.cancel(tx, session);
      case 'attach':
        return this.attach(tx, session, principal.key_id);
    }
  }

  private async send(
    tx: Transaction,
    principal: Principal,
    session: SessionKey,
    start: PromptStart,
    onBusy: SessionStreamInvoke['on_busy'],
  ): Promise<InvokedTurn> {
    await this.prepareInvoke.open(tx, principal, session);
    const live = await this.turns.liveTurn(tx, session);
    if (!live) return made('send', await this.prepareInvoke.start(tx, principal, session, start));
    if (onBusy === 'queue') return made('queue', await this.prepareInvoke.queue(tx, principal, session, start));
    throw SessionInUse(live);
  }

  private async steer(
    tx: Transaction,
    principal: Principal,
    session: SessionKey,
    start: PromptStart,
    delivery: SessionStreamInvoke['delivery'],
  ): Promise<InvokedTurn> {
    await this.prepareInvoke.open(tx, principal, session);
    const live = await this.turns.liveTurn(tx, session);
    if (!live) return made('steer', await this.prepareInvoke.start(tx, principal, session, start));
    return made('steer', await this.steerTurn[delivery ?? 'new_turn'](tx, principal, live, start));
  }

  private async cancel(tx: Transaction, session: SessionKey): Promise<InvokedTurn> {
    const live = await this.requireLive(tx, session, 'cancel');
    const { turn, endNow } = await this.turns.requestStop(tx, live, 'cancelled');
    if (endNow) await this.endTurn.within(tx, turn, cancelledBecause('cancelled'));
    return { mode: 'cancel', turn_id: turn.turn_id, watcher_id: null };
  }

  private async attach(tx: Transaction, session: SessionKey, by_id: string): Promise<InvokedTurn> {
    const { turn_id } = await this.requireLive(tx, session, 'attach');
    const watcher_id = uuidv7();
    await this.watchers.attach(tx, session, { watcher_id, turn_id, by_id });
    return { mode: 'attach', turn_id, watcher_id };
  }

  private async requireLive(tx: Transaction, session: SessionKey, command: 'cancel' | 'attach'): Promise<TurnRow> {
    const { session_id } = session;
    if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id });
    const live = await this.turns.liveTurn(tx, session);
    if (!live) throw NoLiveTurn({ session_id, command });
    return live;
  }
}

/** Whoever stays to watch the turn that they made is known by its id. */
function made(mode: 'send' | 'queue' | 'steer', { turn_id, detached }: TurnRow): InvokedTurn {
  return { mode, turn_id, watcher_id: detached ? null : turn_id };
}

import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { SessionAccess, type Principal } from '@holdfast/platform-auth';
import {
  IdempotencyKeys,
  SessionFences,
  SessionNotFound,
  type SessionKey,
  type Transaction,
} from '@holdfast/platform-postgres';
import {
  commandOf,
  isLive,
  NoLiveTurn,
  SessionInboxService,
  SessionInUse,
  SessionTurnsRepository,
  SessionTurnsService,
  SessionWatchersService,
  TurnInInbox,
  TurnNotFound,
  type InvokedTurn,
  type SessionStreamInvoke,
  type TurnRow,
} from '@holdfast/sessions-streams';
import { cancelledBecause, EndTurnFlow } from './end-turn.flow.js';
import { LocalRuns } from './local-runs.js';
import { PrepareInvoke, type PromptStart } from './prepare-invoke.js';
import { SteerTurn } from './steer-turn.js';

/** As the Idempotency-Keys of invoke are filed. */
export const INVOKE = 'invoke_session_stream';

/** The connection of somebody who stays, among those that asked for the same under one key: the newest is the one that counts. */
export interface WatcherConnection {
  key: string;
  number: number;
}

/** What a command did; with a key, and where somebody stays, for which connection. */
export type Invoked = InvokedTurn & { connection?: WatcherConnection };

/**
 * A person's command for a session, judged in the order of idempotency, epoch, state. Of a request that is repeated under
 * its key the first call's turn is answered; how that is by now, `AwaitStartFlow` tells. So is its refusal, if it was one
 * of the state.
 */
@Injectable()
export class InvokeSessionFlow {
  constructor(
    private readonly idempotency: IdempotencyKeys,
    private readonly fences: SessionFences,
    private readonly prepareInvoke: PrepareInvoke,
    private readonly localRuns: LocalRuns,
    private readonly access: SessionAccess,
    private readonly steerTurn: SteerTurn,
    private readonly repository: SessionTurnsRepository,
    private readonly turns: SessionTurnsService,
    private readonly inbox: SessionInboxService,
    private readonly watchers: SessionWatchersService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /**
   * Errors: idempotency_key_reused; permission_denied, share_agent_fixed, agent_not_found, agent_revision_not_found,
   * session_archived, session_in_use, project_at_capacity, inbox_full of prompts; credential_kind, session_not_local,
   * no_local_runner of those for one machine; session_not_found, no_live_turn of cancel and attach; turn_not_found,
   * turn_in_inbox of a cancel that names its turn.
   */
  run(principal: Principal, invoke: SessionStreamInvoke, key: string | undefined): Promise<Invoked> {
    const request = { project_id: principal.project_id, operation: INVOKE, key, request: invoke };
    if (invoke.detached || commandOf(invoke) === 'cancel' || key === undefined) {
      return this.idempotency.once<Invoked>(request, (tx) => this.obey(tx, principal, invoke));
    }
    return this.idempotency.once<Invoked>(
      request,
      async (tx) => ({ ...(await this.obey(tx, principal, invoke)), connection: { key, number: 1 } }),
      async (tx, invoked) => {
        await this.rejoin(tx, principal, invoke, invoked);
        return { ...invoked, connection: { key, number: (invoked.connection?.number ?? 1) + 1 } };
      },
    );
  }

  /** Whoever stayed, and comes again, watches still, or again, unless another watcher came. */
  private async rejoin(
    tx: Transaction,
    { project_id, key_id }: Principal,
    { session_id }: SessionStreamInvoke,
    { mode, turn_id, watcher_id }: Invoked,
  ): Promise<void> {
    const session = { project_id, session_id };
    await this.fences.lock(tx, session);
    if (mode !== 'attach') await this.inbox.rejoin(tx, session, turn_id);
    const live = await this.turns.liveTurn(tx, session);
    if (live?.turn_id !== turn_id || watcher_id === null) return;
    await this.watchers.rejoin(tx, session, { watcher_id, turn_id, by_id: key_id });
  }

  private async obey(tx: Transaction, principal: Principal, invoke: SessionStreamInvoke): Promise<InvokedTurn> {
    const session = { project_id: principal.project_id, session_id: invoke.session_id };
    const { prompt = '', agent, detached = false, fresh_start = false, local } = invoke;
    const start = { prompt, agent, detached, fresh_start, private_pool: local?.private_pool };
    switch (commandOf(invoke)) {
      case 'send':
        return this.send(tx, principal, session, start, invoke.on_busy);
      case 'steer':
        return this.steer(tx, principal, session, start, invoke.delivery);
      case 'cancel':
        return invoke.turn_id === undefined
          ? this.cancel(tx, await this.requireLive(tx, session, 'cancel'))
          : this.cancelNamed(tx, session, invoke.turn_id);
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
    await this.open(tx, principal, session, start);
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
    await this.open(tx, principal, session, start);
    const live = await this.turns.liveTurn(tx, session);
    if (!live) return made('steer', await this.prepareInvoke.start(tx, principal, session, start));
    return made('steer', await this.steerTurn[delivery ?? 'new_turn'](tx, principal, live, start));
  }

  private async open(tx: Transaction, principal: Principal, session: SessionKey, start: PromptStart): Promise<void> {
    const isNew = await this.prepareInvoke.open(tx, principal, session);
    if (principal.kind === 'share') {
      if (isNew) throw SessionNotFound(session);
      await this.prepareInvoke.requireItsAgent(tx, session, start);
    }
    // Somebody else may have made it, for themselves, since this request was let in.
    if (!isNew) await this.access.require(principal, session.session_id, 'executor', tx);
    const { private_pool } = start;
    if (private_pool !== undefined) await this.localRuns.enter(tx, principal, session, isNew);
  }

  private async cancel(tx: Transaction, live: TurnRow): Promise<InvokedTurn> {
    const { turn, endNow } = await this.turns.requestStop(tx, live, 'cancelled');
    if (endNow) await this.endTurn.within(tx, turn, cancelledBecause('cancelled'));
    return { mode: 'cancel', turn_id: turn.turn_id, watcher_id: null };
  }

  /** One that is over stays as it ended, and nothing else is touched: so it may be repeated without a key. */
  private async cancelNamed(tx: Transaction, session: SessionKey, turn_id: string): Promise<InvokedTurn> {
    const { session_id } = session;
    if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id });
    const turn = await this.repository.lockTurn(tx, { ...session, turn_id });
    if (!turn) throw TurnNotFound({ turn_id });
    if (turn.status === 'inbox') throw TurnInInbox({ turn_id });
    return isLive(turn.status) ? this.cancel(tx, turn) : { mode: 'cancel', turn_id, watcher_id: null };
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

import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import {
  IdempotencyKeys,
  SessionFences,
  SessionNotFound,
  UnitOfWork,
  type Transaction,
} from '@holdfast/platform-postgres';
import { SessionTurnsService, type SessionStreamInvoke, type SessionStreamInvoked } from '@holdfast/sessions-streams';
import { EndTurnFlow } from './end-turn.flow.js';
import { PrepareInvoke } from './prepare-invoke.js';

/** A person's command for a session: a prompt is sent, its absence cancels. */
@Injectable()
export class InvokeSessionFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly idempotency: IdempotencyKeys,
    private readonly fences: SessionFences,
    private readonly prepareInvoke: PrepareInvoke,
    private readonly turns: SessionTurnsService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /** Errors: as `PrepareInvoke.startTurn`; session_not_found and no_live_turn of a cancel; idempotency_key_reused. */
  run(principal: Principal, invoke: SessionStreamInvoke, key: string | undefined): Promise<SessionStreamInvoked> {
    return this.unitOfWork.run((tx) =>
      this.idempotency.once(
        tx,
        { project_id: principal.project_id, operation: 'invoke_session_stream', key, request: invoke },
        () =>
          invoke.prompt === undefined
            ? this.cancel(tx, principal, invoke)
            : this.send(tx, principal, invoke, invoke.prompt),
      ),
    );
  }

  private async send(
    tx: Transaction,
    principal: Principal,
    { session_id, agent }: SessionStreamInvoke,
    prompt: string,
  ): Promise<SessionStreamInvoked> {
    const turn = await this.prepareInvoke.startTurn(tx, principal, { session_id, prompt, agent });
    return { mode: 'send', session_id, turn_id: turn.turn_id, status: turn.status };
  }

  private async cancel(
    tx: Transaction,
    principal: Principal,
    { session_id }: SessionStreamInvoke,
  ): Promise<SessionStreamInvoked> {
    const session = { project_id: principal.project_id, session_id };
    if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id });
    const { turn, endNow } = await this.turns.requestStop(tx, session);
    const stopped = endNow
      ? await this.endTurn.within(tx, turn, { status: 'cancelled', stop_reason: 'cancelled', usage: null, error: null })
      : turn;
    return { mode: 'cancel', session_id, turn_id: stopped.turn_id, status: stopped.status };
  }
}

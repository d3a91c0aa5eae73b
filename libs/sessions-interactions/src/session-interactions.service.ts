import { Injectable } from '@nestjs/common';
import { isDomainError, type DomainError } from '@holdfast/platform-errors';
import {
  IdempotencyKeys,
  SessionFences,
  StaleEpoch,
  UnitOfWork,
  type SessionKey,
  type Transaction,
  type TurnFence,
} from '@holdfast/platform-postgres';
import type { SessionInteractionRespond } from './dto/session-interaction-respond.dto.js';
import type { SessionInteraction } from './dto/session-interaction.dto.js';
import { InteractionLog, type InteractionLogEvent } from './ports/interaction-log.port.js';
import { LiveTurns } from './ports/live-turns.port.js';
import { TurnControl } from './ports/turn-control.port.js';
import { toSessionInteraction } from './session-interaction.mapper.js';
import { changedBy, transition, type Rejection } from './session-interaction.rules.js';
import {
  SessionInteractionsRepository,
  type InteractionQuestion,
  type InteractionRow,
} from './session-interactions.repository.js';
import {
  DecisionNotOffered,
  InteractionAlreadyAnswered,
  InteractionClosed,
  InteractionNotAnswered,
  InteractionNotFound,
  InteractionRequestTooLarge,
  InteractionTokenTaken,
} from './sessions-interactions.errors.js';
import { isOffered, type Verdict } from './verdict.rules.js';

const MAX_REQUEST_BYTES = 256 * 1024;

/**
 * Questions of agents and their answers. Whoever raises, answers or takes up one gets a transaction of its own; only
 * the end of a turn closes questions as part of something larger.
 *
 * The fence is taken before the interaction: what ends a turn takes it exclusively, so that a question is either
 * answered while its turn is live or cancelled with it.
 */
@Injectable()
export class SessionInteractionsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly idempotency: IdempotencyKeys,
    private readonly interactions: SessionInteractionsRepository,
    private readonly log: InteractionLog,
    private readonly turnControl: TurnControl,
    private readonly liveTurns: LiveTurns,
  ) {}

  /**
   * Puts a question of a live turn to people. The same token of the same attempt again returns what became of it.
   * Errors: stale_epoch, those of `LiveTurns`, interaction_token_taken, interaction_request_too_large.
   */
  async raise(fence: TurnFence, question: InteractionQuestion): Promise<SessionInteraction> {
    const bytes = Buffer.byteLength(JSON.stringify(question.request));
    if (bytes > MAX_REQUEST_BYTES) throw InteractionRequestTooLarge({ bytes, limit_bytes: MAX_REQUEST_BYTES });

    return this.unitOfWork.run(async (tx) => {
      await this.fences.hold(tx, fence);
      await this.liveTurns.requireLive(tx, fence);
      const raised = await this.interactions.insert(tx, fence, question);
      if (!raised) return toSessionInteraction(await this.raisedBefore(tx, fence, question.token));

      const { kind, token, request } = raised;
      await this.tell(tx, raised, 'requested', { kind, token, request });
      return toSessionInteraction(raised);
    });
  }

  /**
   * Answers a question, once: of many who answer at the same time one wins. The answer is recorded and handed to the
   * waiting agent in one commit. Errors: interaction_not_found, interaction_already_answered (says who was faster),
   * interaction_closed, decision_not_offered, idempotency_key_reused.
   */
  respond(
    project_id: string,
    interaction_id: string,
    { decision, message }: SessionInteractionRespond,
    by_id: string,
    idempotencyKey?: string,
  ): Promise<SessionInteraction> {
    const verdict = { decision, message: message ?? null };
    const call = {
      project_id,
      operation: 'respond_session_interaction',
      key: idempotencyKey,
      request: { interaction_id, ...verdict },
    };
    return this.idempotency.once(call, (tx) => this.answer(tx, project_id, interaction_id, verdict, by_id));
  }

  /**
   * Notes that the agent has taken the answer; again changes nothing. The turn may have ended meanwhile.
   * Errors: stale_epoch, interaction_not_found, interaction_not_answered, interaction_closed.
   */
  resolve(fence: TurnFence, interaction_id: string): Promise<SessionInteraction> {
    return this.unitOfWork.run(async (tx) => {
      await this.fences.hold(tx, fence);
      const row = await this.interactions.lock(tx, { project_id: fence.project_id, id: interaction_id });
      if (!row || !isAskedBy(row, fence)) throw InteractionNotFound({ interaction_id });
      const next = transition(row.status, 'resolve');
      if ('rejected' in next) throw rejectionOf(row, next.rejected);
      if (next.to === row.status) return toSessionInteraction(row);

      const resolved = await this.interactions.markResolved(tx, row);
      await this.tell(tx, resolved, 'resolved', {});
      return toSessionInteraction(resolved);
    });
  }

  /** Closes the open questions of a turn that ends, and returns them. Call with the session's fence locked. */
  async cancelForTurn(
    tx: Transaction,
    turn: SessionKey & Pick<TurnFence, 'turn_id'>,
    reason: string,
  ): Promise<SessionInteraction[]> {
    const cancelled = await this.interactions.cancelOfTurn(tx, turn, changedBy('cancel'), reason);
    for (const row of cancelled) await this.tell(tx, row, 'cancelled', { reason });
    return cancelled.map(toSessionInteraction);
  }

  /** Forgets what was ever asked in a session. Call with the session's fence locked. */
  deleteSession(tx: Transaction, session: SessionKey): Promise<void> {
    return this.interactions.deleteSession(tx, session);
  }

  private async raisedBefore(tx: Transaction, fence: TurnFence, token: string): Promise<InteractionRow> {
    const row = await this.interactions.findByToken(tx, fence, token);
    if (!row) throw new Error(`interaction token "${token}" is taken, yet nobody has it`);
    if (!isAskedBy(row, fence)) throw InteractionTokenTaken({ token, turn_id: row.turn_id });
    return row;
  }

  private async answer(
    tx: Transaction,
    project_id: string,
    interaction_id: string,
    verdict: Verdict,
    by_id: string,
  ): Promise<SessionInteraction> {
    const key = { project_id, id: interaction_id };
    const asked = await this.interactions.find(tx, key);
    const isCurrent = asked && (await this.isHeld(tx, asked));
    const row = asked && (await this.interactions.lock(tx, key));
    if (!row) throw InteractionNotFound({ interaction_id });
    const next = transition(row.status, 'respond');
    if ('rejected' in next) throw rejectionOf(row, next.rejected);
    if (!isCurrent) throw InteractionClosed({ interaction_id });
    const { options } = row.request;
    if (!isOffered(verdict.decision, options)) {
      throw DecisionNotOffered({ decision: verdict.decision, offered: options.map(({ kind }) => kind) });
    }

    const isDelivered = await this.turnControl.send(tx, fenceOf(row), { type: 'answer', interaction_id, verdict });
    const responded = await this.interactions.markResponded(tx, row, { verdict, by_id, isDelivered });
    await this.tell(tx, responded, 'responded', { verdict, by_id });
    return toSessionInteraction(responded);
  }

  /** Keeps the attempt that asks the owner until the commit; false when it is not the owner any more. */
  private async isHeld(tx: Transaction, row: InteractionRow): Promise<boolean> {
    try {
      await this.fences.hold(tx, fenceOf(row));
      return true;
    } catch (error) {
      if (isDomainError(error, StaleEpoch.code)) return false;
      throw error;
    }
  }

  private tell(
    tx: Transaction,
    row: InteractionRow,
    what: 'requested' | 'responded' | 'resolved' | 'cancelled',
    facts: object,
  ): Promise<void> {
    const type: InteractionLogEvent['type'] = `interaction.${what}`;
    return this.log.append(tx, sessionOf(row), {
      type,
      turn_id: row.turn_id,
      data: { interaction_id: row.id, ...facts },
    });
  }
}

const sessionOf = ({ project_id, session_id }: InteractionRow): SessionKey => ({ project_id, session_id });

const fenceOf = (row: InteractionRow): TurnFence => ({ ...sessionOf(row), turn_id: row.turn_id, epoch: row.epoch });

function isAskedBy(row: InteractionRow, fence: TurnFence): boolean {
  return row.session_id === fence.session_id && row.turn_id === fence.turn_id && row.epoch === fence.epoch;
}

function rejectionOf(row: InteractionRow, rejected: Rejection): DomainError {
  const { interaction_id, verdict, responded_at, responded_by_id } = toSessionInteraction(row);
  switch (rejected) {
    case 'already_answered':
      return InteractionAlreadyAnswered({ interaction_id, verdict, responded_at, responded_by_id });
    case 'not_answered':
      return InteractionNotAnswered({ interaction_id });
    case 'closed':
      return InteractionClosed({ interaction_id });
  }
}

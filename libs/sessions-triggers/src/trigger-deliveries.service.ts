import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { DeliveredTurns, type DeliveredTurn } from './ports/delivered-turns.port.js';
import { TriggerDeliveriesRepository } from './trigger-deliveries.repository.js';
import type { TriggerDeliveryStatus } from './trigger-delivery.rules.js';

/** Keeps account of turns that were started with nobody watching. */
@Injectable()
export class TriggerDeliveriesService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly deliveries: TriggerDeliveriesRepository,
    private readonly turns: DeliveredTurns,
  ) {}

  /** Makes the turn's delivery say what the turn is now. Again changes nothing. */
  async reconcile(tx: Transaction, key: SessionKey & { turn_id: string }): Promise<void> {
    const turn = await this.turns.find(tx, key);
    if (!turn) return;
    await this.deliveries.save(tx, {
      project_id: key.project_id,
      delivery_id: uuidv7(),
      source: 'invoke',
      session_id: key.session_id,
      turn_id: key.turn_id,
      status: statusOf(turn),
      error: turn.error,
      created_at: turn.created_at,
      created_by_id: turn.created_by_id,
      dispatched_at: turn.started_at,
      closed_at: turn.ended_at,
    });
  }

  /** Forgets the deliveries of a session whose turns are gone: one that comes late finds no turn. */
  deleteSession(tx: Transaction, session: SessionKey): Promise<void> {
    return this.deliveries.deleteSession(tx, session);
  }

  /** Forgets up to `limit` deliveries that were closed more than `days` ago; returns how many. */
  prune(days: number, limit: number): Promise<number> {
    return this.unitOfWork.run((tx) => this.deliveries.prune(tx, days, limit));
  }
}

function statusOf({ outcome, has_owner }: DeliveredTurn): TriggerDeliveryStatus {
  return outcome ?? (has_owner ? 'dispatched' : 'pending');
}

import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { isLive, SessionTurnsRepository, type TurnOutcome, type TurnRow } from '@holdfast/sessions-streams';
import { DeliveredTurns, type DeliveredTurn } from '@holdfast/sessions-triggers';

/** Deliveries stand for turns. */
@Injectable()
export class SessionDeliveredTurns extends DeliveredTurns {
  constructor(private readonly turns: SessionTurnsRepository) {
    super();
  }

  async find(tx: Transaction, key: SessionKey & { turn_id: string }): Promise<DeliveredTurn | undefined> {
    const turn = await this.turns.lockTurn(tx, key);
    return turn && deliveredTurn(turn);
  }
}

function deliveredTurn(turn: TurnRow): DeliveredTurn {
  const { status, started_at, ended_at, error, created_at, created_by_id } = turn;
  const isOver = status !== 'inbox' && !isLive(status);
  return {
    outcome: isOver ? (status as TurnOutcome) : null,
    has_owner: hasOwner(turn),
    started_at,
    ended_at,
    error,
    created_at,
    created_by_id,
  };
}

/** A service has the turn when it has accepted it, and runs it then; a runner when it has claimed it. */
function hasOwner({ status, push_url, started_at, replica_id }: TurnRow): boolean {
  return push_url === null ? isLive(status) && replica_id !== null : started_at !== null;
}

import { defineError } from '@holdfast/platform-errors';
import type { SessionKey, Transaction, TurnFence, UnitOfWork } from '@holdfast/platform-postgres';
import { InteractionLog, type InteractionLogEvent } from '../src/ports/interaction-log.port.js';
import { LiveTurns } from '../src/ports/live-turns.port.js';
import { TurnControl, type AnswerCommand } from '../src/ports/turn-control.port.js';

/** Tables that stand for the neighbours, so that what was told and sent is known to be in the same commit. */
export async function createNeighbours(unitOfWork: UnitOfWork): Promise<void> {
  await unitOfWork.query(`CREATE TABLE test_turns (turn_id uuid PRIMARY KEY, is_live boolean NOT NULL)`);
  await unitOfWork.query(`
    CREATE TABLE test_events (seq bigserial, project_id uuid, session_id text, type text, turn_id uuid, data jsonb)`);
  await unitOfWork.query(`CREATE TABLE test_commands (seq bigserial, turn_id uuid, epoch bigint, command jsonb)`);
}

export const TestTurnNotLive = defineError({
  code: 'turn_not_live',
  kind: 'conflict',
  title: 'Turn not live',
  detail: () => 'The turn has ended.',
});

export class RecordingLog extends InteractionLog {
  async append(tx: Transaction, { project_id, session_id }: SessionKey, event: InteractionLogEvent): Promise<void> {
    const { type, turn_id, data } = event;
    await tx.query(
      `INSERT INTO test_events (project_id, session_id, type, turn_id, data) VALUES ($1, $2, $3, $4, $5)`,
      [project_id, session_id, type, turn_id, JSON.stringify(data)],
    );
  }
}

export class RecordingTurnControl extends TurnControl {
  async send(tx: Transaction, { turn_id, epoch }: TurnFence, command: AnswerCommand): Promise<boolean> {
    const rows = await tx.query(
      `INSERT INTO test_commands (turn_id, epoch, command)
       SELECT turn_id, $2, $3 FROM test_turns WHERE turn_id = $1 AND is_live RETURNING seq`,
      [turn_id, epoch, JSON.stringify(command)],
    );
    return rows.length > 0;
  }
}

export class TableLiveTurns extends LiveTurns {
  async requireLive(tx: Transaction, { turn_id }: TurnFence): Promise<void> {
    const turn = await tx.queryOne(`SELECT 1 FROM test_turns WHERE turn_id = $1 AND is_live FOR UPDATE`, [turn_id]);
    if (!turn) throw TestTurnNotLive();
  }
}

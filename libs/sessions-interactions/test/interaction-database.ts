import { randomUUID } from 'node:crypto';
import { Global, Module, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  createDataSource,
  IdempotencyKeys,
  platformPersistence,
  SessionFences,
  UnitOfWork,
  type TurnFence,
} from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { sessionsInteractionsPersistence } from '../src/persistence.js';
import type { InteractionLog } from '../src/ports/interaction-log.port.js';
import { SessionInteractionsReader } from '../src/session-interactions.reader.js';
import { SessionInteractionsService } from '../src/session-interactions.service.js';
import { SessionsInteractionsModule } from '../src/sessions-interactions.module.js';
import type { OptionKind } from '../src/verdict.rules.js';
import { createNeighbours, RecordingLog, RecordingTurnControl, TableLiveTurns } from './recording-ports.js';

/** The domain on a database of its own, with neighbours that record. */
export async function openInteractions() {
  const postgres = await testPostgres([platformPersistence, sessionsInteractionsPersistence]);
  const config = { url: postgres.url, poolSize: 20, applicationName: 'sessions-interactions-test' };
  const dataSource = await createDataSource(config, []).initialize();
  const unitOfWork = new UnitOfWork(dataSource);
  const fences = new SessionFences();
  await createNeighbours(unitOfWork);
  // Callers that have to connect first would come one after the other instead of racing.
  await Promise.all(Array.from({ length: 20 }, () => unitOfWork.query('SELECT 1')));

  @Global()
  @Module({
    providers: [{ provide: UnitOfWork, useValue: unitOfWork }, SessionFences, IdempotencyKeys],
    exports: [UnitOfWork, SessionFences, IdempotencyKeys],
  })
  class TestPlatform {}

  async function open(interactionLog: Type<InteractionLog>) {
    const ports = { interactionLog, turnControl: RecordingTurnControl, liveTurns: TableLiveTurns };
    const interactions = SessionsInteractionsModule.register({ imports: [], ports });
    const app = await Test.createTestingModule({ imports: [TestPlatform, interactions] }).compile();
    return { service: app.get(SessionInteractionsService), reader: app.get(SessionInteractionsReader) };
  }

  return {
    ...(await open(RecordingLog)),
    /** The service with another log. */
    serviceWith: async (log: Type<InteractionLog>) => (await open(log)).service,
    unitOfWork,
    fences,

    /** A live turn of a session of its own, or of the session of `like`. */
    async aTurn(like: Partial<TurnFence> = {}): Promise<TurnFence> {
      const fence = { project_id: randomUUID(), session_id: 'chat', turn_id: randomUUID(), epoch: 1, ...like };
      await unitOfWork.query(
        `INSERT INTO session_fences (project_id, session_id, epoch) VALUES ($1, $2, $3)
         ON CONFLICT (project_id, session_id) DO UPDATE SET epoch = excluded.epoch`,
        [fence.project_id, fence.session_id, fence.epoch],
      );
      await unitOfWork.query(`INSERT INTO test_turns VALUES ($1, true) ON CONFLICT DO NOTHING`, [fence.turn_id]);
      return fence;
    },

    async endTurn({ turn_id }: TurnFence): Promise<void> {
      await unitOfWork.query(`UPDATE test_turns SET is_live = false WHERE turn_id = $1`, [turn_id]);
    },

    /** What the project's viewers were told, oldest first. */
    events({ project_id }: TurnFence): Promise<{ session_id: string; type: string; turn_id: string; data: object }[]> {
      return unitOfWork.query(
        `SELECT session_id, type, turn_id, data FROM test_events WHERE project_id = $1 ORDER BY seq`,
        [project_id],
      );
    },

    /** What the turn's runner was sent. */
    commands({ turn_id }: TurnFence): Promise<{ epoch: number; command: object }[]> {
      return unitOfWork.query(`SELECT epoch, command FROM test_commands WHERE turn_id = $1 ORDER BY seq`, [turn_id]);
    },

    async close(): Promise<void> {
      await dataSource.destroy();
      await postgres.drop();
    },
  };
}

export type OpenInteractions = Awaited<ReturnType<typeof openInteractions>>;

/** A question that offers options of these kinds. */
export function aQuestion(token: string = randomUUID(), kinds: OptionKind[] = ['allow_once', 'reject_once']) {
  const options = kinds.map((kind) => ({ option_id: `do-${kind}`, name: kind, kind }));
  return { token, kind: 'user_approval' as const, request: { tool_call: { toolCallId: token, title: 'rm' }, options } };
}

import { randomUUID } from 'node:crypto';
import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { createDataSource, UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { testPostgres, type TestPostgres } from '@holdfast/testing';
import type { DataSource } from 'typeorm';
import {
  DeliveredTurns,
  SessionsTriggersModule,
  sessionsTriggersPersistence,
  TriggerDeliveriesReader,
  TriggerDeliveriesService,
  type DeliveredTurn,
} from '../src/index.js';

let postgres: TestPostgres;
let dataSource: DataSource;
let unitOfWork: UnitOfWork;
let service: TriggerDeliveriesService;
let reader: TriggerDeliveriesReader;

/** What each turn is now, as the neighbour would answer. */
const turns = new Map<string, DeliveredTurn>();

class MemoryTurns extends DeliveredTurns {
  async find(
    _tx: Transaction,
    { project_id, session_id, turn_id }: SessionKey & { turn_id: string },
  ): Promise<DeliveredTurn | undefined> {
    return turns.get(`${project_id} ${session_id} ${turn_id}`);
  }
}

@Global()
@Module({ providers: [{ provide: UnitOfWork, useFactory: () => unitOfWork }], exports: [UnitOfWork] })
class TestPlatform {}

beforeAll(async () => {
  postgres = await testPostgres([sessionsTriggersPersistence]);
  dataSource = await createDataSource({ url: postgres.url, poolSize: 5, applicationName: 'test' }, []).initialize();
  unitOfWork = new UnitOfWork(dataSource);
  const triggers = SessionsTriggersModule.register({ imports: [], ports: { deliveredTurns: MemoryTurns } });
  const app = await Test.createTestingModule({ imports: [TestPlatform, triggers] }).compile();
  service = app.get(TriggerDeliveriesService);
  reader = app.get(TriggerDeliveriesReader);
});

afterAll(async () => {
  await dataSource?.destroy();
  await postgres?.drop();
});

const made = new Date('2026-01-01T00:00:00Z');
const ran = new Date('2026-01-01T00:00:01Z');
const ended = new Date('2026-01-01T00:00:02Z');

const inLine: DeliveredTurn = {
  outcome: null,
  has_owner: false,
  started_at: null,
  ended_at: null,
  error: null,
  created_at: made,
  created_by_id: randomUUID(),
};
const running: DeliveredTurn = { ...inLine, has_owner: true, started_at: ran };
const completed: DeliveredTurn = { ...running, has_owner: false, outcome: 'completed', ended_at: ended };

function aTurn(project_id: string = randomUUID(), session_id = 's1') {
  const turn_id = randomUUID();
  return {
    project_id,
    turn_id,
    /** The turn is this now. */
    becomes: (turn: DeliveredTurn) => turns.set(`${project_id} ${session_id} ${turn_id}`, turn),
    reconcile: () => unitOfWork.run((tx) => service.reconcile(tx, { project_id, session_id, turn_id })),
    delivery: async () => (await reader.query(project_id, { turn_id, limit: 50 })).data[0],
  };
}

describe('the delivery of a turn', () => {
  it('is pending, dispatched at the handshake, and takes the real outcome when the turn ends (J5)', async () => {
    const turn = aTurn();
    turn.becomes(inLine);
    await turn.reconcile();
    const pending = await turn.delivery();
    expect(pending).toEqual({
      delivery_id: expect.any(String),
      source: 'invoke',
      session_id: 's1',
      turn_id: turn.turn_id,
      status: 'pending',
      error: null,
      created_at: made.toISOString(),
      created_by_id: inLine.created_by_id,
      dispatched_at: null,
      closed_at: null,
    });

    turn.becomes(running);
    await turn.reconcile();
    expect(await turn.delivery()).toEqual({ ...pending, status: 'dispatched', dispatched_at: ran.toISOString() });

    turn.becomes(completed);
    await turn.reconcile();
    expect(await turn.delivery()).toEqual({
      ...pending,
      status: 'completed',
      dispatched_at: ran.toISOString(),
      closed_at: ended.toISOString(),
    });
  });

  it.each(['failed', 'cancelled', 'superseded', 'merged', 'paused', 'lost'] as const)(
    'says %s, and why, when that is how the turn ended, also where nobody looked before (J5)',
    async (outcome) => {
      const error = { code: 'not_started', message: 'The service answered 500.' };
      const turn = aTurn();
      turn.becomes({ ...inLine, outcome, ended_at: ended, error });
      await turn.reconcile();
      expect(await turn.delivery()).toMatchObject({
        status: outcome,
        error,
        dispatched_at: null,
        closed_at: ended.toISOString(),
      });
    },
  );

  it('is dispatched from the moment that the turn has an owner, before it runs', async () => {
    const turn = aTurn();
    turn.becomes({ ...inLine, has_owner: true });
    await turn.reconcile();
    expect(await turn.delivery()).toMatchObject({ status: 'dispatched', dispatched_at: expect.any(String) });
  });

  it('stays dispatched when the turn goes in line again because its owner was lost', async () => {
    const turn = aTurn();
    turn.becomes(running);
    await turn.reconcile();
    turn.becomes({ ...inLine, started_at: ran });
    await turn.reconcile();
    expect(await turn.delivery()).toMatchObject({ status: 'dispatched', dispatched_at: ran.toISOString() });
  });

  it('is closed once: a look that comes late takes nothing back (J2)', async () => {
    const turn = aTurn();
    turn.becomes(completed);
    await turn.reconcile();
    const closed = await turn.delivery();
    for (const earlier of [inLine, running, { ...completed, outcome: 'failed' as const }]) {
      turn.becomes(earlier);
      await turn.reconcile();
      expect(await turn.delivery()).toEqual(closed);
    }
  });

  it('is one row with its session, however many look at once (J1)', async () => {
    const turn = aTurn();
    turn.becomes(running);
    await Promise.all(Array.from({ length: 8 }, () => turn.reconcile()));
    const { data } = await reader.query(turn.project_id, { limit: 50 });
    expect(data).toEqual([expect.objectContaining({ session_id: 's1', turn_id: turn.turn_id, status: 'dispatched' })]);
  });

  it('is not made for a turn that is gone', async () => {
    const turn = aTurn();
    await turn.reconcile();
    expect(await turn.delivery()).toBeUndefined();
  });
});

describe('reading deliveries', () => {
  it('finds each by its id, and none of another project', async () => {
    const turn = aTurn();
    turn.becomes(running);
    await turn.reconcile();
    const delivery = await turn.delivery();
    expect(await reader.fetch(turn.project_id, delivery!.delivery_id)).toEqual(delivery);
    await expect(reader.fetch(randomUUID(), delivery!.delivery_id)).rejects.toMatchObject({
      code: 'trigger_delivery_not_found',
    });
    expect((await reader.query(randomUUID(), { limit: 50 })).data).toEqual([]);
  });

  it('pages through all of them, newest first, by session and status', async () => {
    const project_id = randomUUID();
    const inOrder = [];
    for (const state of [running, completed, running]) {
      const turn = aTurn(project_id);
      turn.becomes(state);
      await turn.reconcile();
      inOrder.unshift(turn.turn_id);
    }
    const other = aTurn(project_id, 's2');
    other.becomes(running);
    await other.reconcile();

    const first = await reader.query(project_id, { session_id: 's1', limit: 2 });
    const second = await reader.query(project_id, { session_id: 's1', limit: 2, cursor: first.next_cursor! });
    expect([...first.data, ...second.data].map(({ turn_id }) => turn_id)).toEqual(inOrder);
    expect(second.next_cursor).toBeNull();
    expect((await reader.query(project_id, { status: 'completed', limit: 50 })).data).toHaveLength(1);
  });

  describe('is forgotten', () => {
    const DAY_MS = 86_400_000;
    const closedDaysAgo = async (days: number, project_id: string) => {
      const turn = aTurn(project_id);
      turn.becomes({ ...completed, ended_at: new Date(Date.now() - days * DAY_MS) });
      await turn.reconcile();
      return turn;
    };
    const pruneAll = async (days: number) => {
      let count = 0;
      for (let batch = 2; batch === 2;) {
        batch = await service.prune(days, 2);
        count += batch;
      }
      return count;
    };

    it('when it has been closed for longer than it is kept, in batches; what is open is kept however old', async () => {
      const project_id = randomUUID();
      await pruneAll(1);
      for (const days of [8, 9, 10]) await closedDaysAgo(days, project_id);
      const kept = await closedDaysAgo(6, project_id);
      const open = aTurn(project_id);
      open.becomes(running);
      await open.reconcile();
      expect(await pruneAll(7)).toBe(3);
      const { data } = await reader.query(project_id, { limit: 50 });
      expect(data.map(({ turn_id }) => turn_id)).toEqual([open.turn_id, kept.turn_id]);
    });
  });
});

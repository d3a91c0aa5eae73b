import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import { defineError } from '@holdfast/platform-errors';
import { eventually, testPostgres, type TestPostgres } from '@holdfast/testing';
import {
  createDataSource,
  IdempotencyKeys,
  migrate,
  Outbox,
  OutboxBell,
  platformPersistence,
  SessionFences,
  UnitOfWork,
  type Transaction,
} from '../src/index.js';

class Widen1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '10ms'`);
    await runner.query(`ALTER TABLE busy ADD COLUMN name text`);
  }

  async down(): Promise<void> {}
}

let database: TestPostgres;
let dataSource: DataSource;
let unitOfWork: UnitOfWork;
beforeAll(async () => {
  database = await testPostgres([platformPersistence]);
  const config = { url: database.url, poolSize: 12, applicationName: 'test' };
  dataSource = await createDataSource(config, [platformPersistence]).initialize();
  unitOfWork = new UnitOfWork(dataSource);
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

describe('the unit of work', () => {
  const insert = (key: string): [string, unknown[]] => [
    `INSERT INTO idempotency_keys (project_id, operation, key, fingerprint) VALUES ($1, 'test', $2, '')`,
    [randomUUID(), key],
  ];
  const exists = async (key: string) =>
    (await unitOfWork.queryOne(`SELECT 1 FROM idempotency_keys WHERE operation = 'test' AND key = $1`, [key])) !==
    undefined;

  it('commits what the work did, and returns what it returned', async () => {
    const result = await unitOfWork.run(async (tx) => {
      await tx.query(...insert('kept'));
      return 7;
    });
    expect(result).toBe(7);
    expect(await exists('kept')).toBe(true);
  });

  it('commits nothing of work that fails, nor of a last step that fails, and reacts to neither', async () => {
    const reactions: string[] = [];
    for (const failure of ['work', 'last step']) {
      const run = unitOfWork.run(async (tx) => {
        tx.afterCommit(() => reactions.push(failure));
        await tx.query(...insert(failure));
        tx.lastly(async () => {
          if (failure === 'last step') throw new Error(failure);
        });
        if (failure === 'work') throw new Error(failure);
      });
      await expect(run).rejects.toThrow(failure);
      expect(await exists(failure)).toBe(false);
    }
    expect(reactions).toEqual([]);
  });

  it('runs last steps after the work and reactions after the commit', async () => {
    const order: string[] = [];
    await unitOfWork.run(async (tx) => {
      tx.afterCommit(() => order.push('reaction'));
      tx.lastly(async () => void order.push('last step'));
      order.push('work');
    });
    expect(order).toEqual(['work', 'last step', 'reaction']);
  });

  it('goes on as if an attempt that failed had never begun, and keeps one that did not', async () => {
    const reactions: string[] = [];
    const doing = (name: string) => async (inner: Transaction) => {
      inner.afterCommit(() => reactions.push(`${name} is committed`));
      inner.lastly(async () => {
        await inner.query(...insert(`${name}, last`));
        inner.afterCommit(() => reactions.push(`${name}, last`));
      });
      await inner.query(...insert(name));
      if (name === 'refused') throw new Error(name);
      return name;
    };
    await unitOfWork.run(async (tx) => {
      await expect(tx.attempt(doing('refused'))).rejects.toThrow('refused');
      await expect(tx.attempt(() => tx.query('SELECT 1 / 0'))).rejects.toThrow('division by zero');
      expect(await tx.attempt(doing('attempted'))).toBe('attempted');
      await tx.query(...insert('after'));
    });
    const made = ['refused', 'refused, last', 'attempted', 'attempted, last', 'after'];
    expect(await Promise.all(made.map(exists))).toEqual([false, false, true, true, true]);
    expect(reactions).toEqual(['attempted is committed', 'attempted, last']);
  });

  it('gives int8 as numbers', async () => {
    expect(await unitOfWork.queryOne('SELECT 9007199254740991::int8 AS n')).toEqual({ n: 9007199254740991 });
  });

  it('hands its connection back when the server cuts it', async () => {
    await expect(unitOfWork.run((tx) => tx.query('SELECT pg_terminate_backend(pg_backend_pid())'))).rejects.toThrow();
    expect(await unitOfWork.queryOne('SELECT 1 AS one')).toEqual({ one: 1 });
  });
});

describe('the fence of a session', () => {
  const fences = new SessionFences();
  const newSession = async () => {
    const session = { project_id: randomUUID(), session_id: 's' };
    await unitOfWork.run((tx) => fences.ensure(tx, session));
    return session;
  };
  const hold = (session: { project_id: string; session_id: string }, epoch: number) =>
    unitOfWork.run((tx) => fences.hold(tx, { ...session, turn_id: randomUUID(), epoch }));

  it('lets through the present epoch only (F1)', async () => {
    const session = await newSession();
    await unitOfWork.run((tx) => fences.advance(tx, session));
    await hold(session, 1);
    for (const epoch of [0, 2]) {
      await expect(hold(session, epoch)).rejects.toMatchObject({ code: 'stale_epoch', members: { current_epoch: 1 } });
    }
  });

  it('does not exist for a session that was never made', async () => {
    const session = { project_id: randomUUID(), session_id: 'nobody' };
    await expect(hold(session, 0)).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('of a deleted session stays and guards: no epoch of before gets past it, nor is there anything to lock', async () => {
    const session = await newSession();
    const epoch = await unitOfWork.run((tx) => fences.advance(tx, session));
    await unitOfWork.run((tx) => fences.close(tx, session));
    await expect(hold(session, epoch)).rejects.toMatchObject({ code: 'stale_epoch' });
    await unitOfWork.run(async (tx) => {
      expect(await fences.lock(tx, session)).toBeUndefined();
      expect(await fences.tryLock(tx, session)).toBeUndefined();
    });
    const share = unitOfWork.run((tx) => fences.share(tx, session));
    await expect(share).rejects.toMatchObject({ code: 'session_not_found' });

    await unitOfWork.run((tx) => fences.reopen(tx, session));
    await unitOfWork.run(async (tx) => expect(await fences.lock(tx, session)).toBe(epoch + 1));
    await expect(hold(session, epoch)).rejects.toMatchObject({ code: 'stale_epoch' });
  });

  it('cannot move while a fenced write is on its way, so that write commits under its own epoch (F2)', async () => {
    const session = await newSession();
    let commit!: () => void;
    const mayCommit = new Promise<void>((resolve) => (commit = resolve));
    let held!: () => void;
    const holding = new Promise<void>((resolve) => (held = resolve));
    const write = unitOfWork.run(async (tx) => {
      await fences.hold(tx, { ...session, turn_id: randomUUID(), epoch: 0 });
      held();
      await mayCommit;
    });
    await holding;
    let moved = false;
    const move = unitOfWork.run((tx) => fences.advance(tx, session)).then(() => (moved = true));
    await waitUntilSomebodyWaits();
    await hold(session, 0);
    expect(moved).toBe(false);
    commit();
    await Promise.all([write, move]);
    await hold(session, 1);
  });

  it('refuses a fenced write that waited while the epoch moved (F2)', async () => {
    const session = await newSession();
    let commit!: () => void;
    const mayCommit = new Promise<void>((resolve) => (commit = resolve));
    let moved!: () => void;
    const moving = new Promise<void>((resolve) => (moved = resolve));
    const move = unitOfWork.run(async (tx) => {
      await fences.advance(tx, session);
      moved();
      await mayCommit;
    });
    await moving;
    const late = expect(hold(session, 0)).rejects.toMatchObject({ code: 'stale_epoch' });
    await waitUntilSomebodyWaits();
    commit();
    await move;
    await late;
  });

  it('many claims at once get an epoch each (F3)', async () => {
    const session = await newSession();
    const epochs = await Promise.all(
      Array.from({ length: 10 }, () => unitOfWork.run((tx) => fences.advance(tx, session))),
    );
    expect(epochs.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  async function waitUntilSomebodyWaits(): Promise<void> {
    for (;;) {
      const blocked = await unitOfWork.queryOne(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      if (blocked) return;
    }
  }
});

describe('idempotency keys', () => {
  let keys: IdempotencyKeys;
  beforeAll(() => {
    keys = new IdempotencyKeys(unitOfWork);
  });
  const once = (project_id: string, key: string | undefined, request: object, work: () => Promise<object>) =>
    keys.once({ project_id, operation: 'pay', key, request }, work);

  it('run the work once however often and however simultaneously it is asked for (I1)', async () => {
    const project_id = randomUUID();
    let runs = 0;
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => once(project_id, 'k', { amount: 5 }, async () => ({ run: ++runs }))),
    );
    expect(runs).toBe(1);
    expect(answers).toEqual(Array(10).fill({ run: 1 }));
  });

  it('are refused for another request (I2)', async () => {
    const project_id = randomUUID();
    await once(project_id, 'k', { amount: 5 }, async () => ({}));
    await expect(once(project_id, 'k', { amount: 6 }, async () => ({}))).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
  });

  it('are forgotten with work that failed, so that a retry runs it (I3)', async () => {
    const project_id = randomUUID();
    const failing = once(project_id, 'k', {}, async () => {
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await once(project_id, 'k', {}, async () => ({ ok: true }))).toEqual({ ok: true });
  });

  describe('of a request that was refused', () => {
    const Broke = defineError<{ balance: number }>({
      code: 'broke',
      kind: 'conflict',
      title: 'Broke',
      detail: ({ balance }) => `Only ${balance} left.`,
      members: ({ balance }) => ({ balance }),
    });
    const refused = async (): Promise<object> => {
      throw Broke({ balance: 3 });
    };

    it('answer a retry with the refusal of the first call, and do nothing (I4)', async () => {
      const project_id = randomUUID();
      await expect(once(project_id, 'k', {}, refused)).rejects.toThrow('Only 3 left.');
      await expect(once(project_id, 'k', {}, async () => ({ paid: true }))).rejects.toMatchObject({
        name: 'DomainError',
        code: 'broke',
        kind: 'conflict',
        title: 'Broke',
        message: 'Only 3 left.',
        members: { balance: 3 },
      });
      await expect(once(project_id, 'k', { amount: 6 }, refused)).rejects.toMatchObject({
        code: 'idempotency_key_reused',
      });
    });

    it('give all tries one answer, also when one of them is done while another is refused (I4)', async () => {
      const project_id = randomUUID();
      let second: Promise<object> | undefined;
      const first = once(project_id, 'k', {}, async () => {
        // Waits for the first one's row, and goes on when that is rolled back.
        second = once(project_id, 'k', {}, async () => ({ paid: true }));
        await eventually(async () => {
          const blocked = await unitOfWork.queryOne(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          );
          if (!blocked) throw new Error('nobody waits for the key');
        });
        return refused();
      });
      const [one, other] = await Promise.allSettled([first, first.catch(() => undefined).then(() => second)]);
      const answerOf = (outcome: PromiseSettledResult<unknown>) =>
        outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as { code: string }).code;
      expect(answerOf(one)).toEqual(answerOf(other));
    });

    it.each(['forbidden', 'rate-limited', 'unavailable', 'unauthenticated'] as const)(
      'are free again when it was refused for what passes: %s',
      async (kind) => {
        const project_id = randomUUID();
        const NotNow = defineError({ code: 'not_now', kind, title: 'Not now', detail: () => 'Not now.' });
        const failing = once(project_id, 'k', {}, async () => {
          throw NotNow();
        });
        await expect(failing).rejects.toMatchObject({ code: 'not_now' });
        expect(await once(project_id, 'k', {}, async () => ({ ok: true }))).toEqual({ ok: true });
      },
    );
  });

  it('know a request again whatever the order of its fields', async () => {
    const project_id = randomUUID();
    await once(project_id, 'k', { a: 1, b: { c: 2, d: 3 } }, async () => ({ first: true }));
    expect(await once(project_id, 'k', { b: { d: 3, c: 2 }, a: 1 }, async () => ({ first: false }))).toEqual({
      first: true,
    });
  });

  it('are forgotten after a day', async () => {
    const project_id = randomUUID();
    await once(project_id, 'k', {}, async () => ({ run: 1 }));
    expect(await keys.prune(100)).toBe(0);
    await unitOfWork.run((tx) =>
      tx.query(`UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE project_id = $1`, [
        project_id,
      ]),
    );
    expect(await keys.prune(100)).toBe(1);
    expect(await once(project_id, 'k', {}, async () => ({ run: 2 }))).toEqual({ run: 2 });
  });

  it("are each project's own", async () => {
    await once(randomUUID(), 'k', { a: 1 }, async () => ({ mine: 1 }));
    expect(await once(randomUUID(), 'k', { b: 2 }, async () => ({ mine: 2 }))).toEqual({ mine: 2 });
  });
});

describe('the outbox', () => {
  class CountingBell extends OutboxBell {
    rings = 0;
    ring(): void {
      this.rings += 1;
    }
  }
  const bell = new CountingBell();
  let outbox: Outbox;
  beforeAll(() => {
    outbox = new Outbox(unitOfWork, bell);
  });
  const to = { queue: 'q', name: 'do-it' };
  const enqueue = (payload: object) => {
    const project_id = randomUUID();
    return unitOfWork.run(async (tx) => ({ project_id, id: await outbox.enqueue(tx, to, project_id, payload) }));
  };
  const takeAll = async () => {
    const taken = [];
    for (let batch = await outbox.take(10); batch.length; batch = await outbox.take(10)) taken.push(...batch);
    return taken;
  };
  const makeDue = (id: string) =>
    unitOfWork.run((tx) => tx.query(`UPDATE outbox SET retry_at = now() WHERE id = $1`, [id]));

  it('holds a job only when its cause was committed, and rings then (O1)', async () => {
    const before = bell.rings;
    const rolledBack = unitOfWork.run(async (tx) => {
      await outbox.enqueue(tx, to, randomUUID(), {});
      throw new Error('no');
    });
    await expect(rolledBack).rejects.toThrow('no');
    expect(bell.rings).toBe(before);
    const { id } = await enqueue({ n: 1 });
    expect(bell.rings).toBe(before + 1);
    expect((await takeAll()).map((message) => message.id)).toEqual([id]);
  });

  it('gives a row to one of many relays, and again as a new attempt when it was not finished (O2)', async () => {
    const { id } = await enqueue({ n: 2 });
    const taken = (await Promise.all(Array.from({ length: 6 }, () => outbox.take(10)))).flat();
    expect(taken).toMatchObject([{ id, attempt: 1, payload: { n: 2 } }]);
    expect(await takeAll()).toEqual([]);
    await makeDue(id);
    expect(await takeAll()).toMatchObject([{ id, attempt: 2 }]);
  });

  it('is done with a row when its handler says so, once (O3)', async () => {
    const { project_id, id } = await enqueue({ n: 3 });
    const finish = () => unitOfWork.run((tx) => outbox.finish(tx, project_id, id));
    expect(await finish()).toBe(true);
    expect(await finish()).toBe(false);
    await makeDue(id);
    expect((await takeAll()).map((message) => message.id)).not.toContain(id);
  });

  it('keeps a row whose handler was rolled back (O3)', async () => {
    const { project_id, id } = await enqueue({ n: 4 });
    const handler = unitOfWork.run(async (tx) => {
      await outbox.finish(tx, project_id, id);
      throw new Error('half way');
    });
    await expect(handler).rejects.toThrow('half way');
    expect((await takeAll()).map((message) => message.id)).toContain(id);
  });

  it('forgets what was done more than a day ago', async () => {
    const { project_id, id } = await enqueue({ n: 5 });
    await unitOfWork.run((tx) => outbox.finish(tx, project_id, id));
    expect(await outbox.prune(100)).toBe(0);
    await unitOfWork.run((tx) =>
      tx.query(`UPDATE outbox SET done_at = now() - interval '25 hours' WHERE id = $1`, [id]),
    );
    expect(await outbox.prune(100)).toBe(1);
  });
});

describe('migrations', () => {
  it('run once, in any number of processes at the same time', async () => {
    const empty = await testPostgres();
    const config = { url: empty.url, poolSize: 2, applicationName: 'test' };
    const ran = await Promise.all(Array.from({ length: 3 }, () => migrate(config, [platformPersistence])));
    expect(ran.flat()).toEqual(platformPersistence.migrations.map((migration) => migration.name));
    await empty.drop();
  });

  it('that make way for the application are tried again, and say so', async () => {
    const empty = await testPostgres();
    const config = { url: empty.url, poolSize: 2, applicationName: 'test' };
    const source = await createDataSource(config, []).initialize();
    await source.query(`CREATE TABLE busy (id int)`);
    const application = source.createQueryRunner();
    await application.startTransaction();
    await application.query(`LOCK TABLE busy`);
    const warned = jest.spyOn(Logger.prototype, 'warn').mockImplementationOnce(() => {
      void application.commitTransaction();
    });

    expect(await migrate(config, [{ entities: [], migrations: [Widen1700000000000] }])).toEqual(['Widen1700000000000']);
    expect(warned).toHaveBeenCalledWith(expect.stringContaining('made way'));
    warned.mockRestore();
    await application.release();
    await source.destroy();
    await empty.drop();
  });

  it('can be taken back and run again', async () => {
    const empty = await testPostgres();
    const source = await createDataSource({ url: empty.url, poolSize: 2, applicationName: 'test' }, [
      platformPersistence,
    ]).initialize();
    await source.runMigrations();
    await source.undoLastMigration();
    expect(await source.runMigrations()).toHaveLength(1);
    await source.destroy();
    await empty.drop();
  });
});

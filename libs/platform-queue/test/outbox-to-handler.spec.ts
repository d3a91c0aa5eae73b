import { randomUUID } from 'node:crypto';
import { getQueueToken } from '@nestjs/bullmq';
import { Logger, type INestApplicationContext } from '@nestjs/common';
import { Outbox, UnitOfWork } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';
import { currentContext, Metrics, runInContext } from '@holdfast/platform-telemetry';
import { eventually } from '@holdfast/testing';
import type { Queue } from 'bullmq';
import { Jobs, type JobDelivery } from '../src/index.js';
import { behaviour, GreetingProcessor, greetingJobs, QueueServers, type Greeting } from './queue-app.js';

Logger.overrideLogger(false);

const project = randomUUID();
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const backends = [
  { name: 'PostgreSQL', useRedis: false },
  ...(process.env['HOLDFAST_TEST_REDIS_URL'] ? [{ name: 'Redis', useRedis: true }] : []),
];

describe.each(backends)('a job through the outbox and $name', ({ useRedis }) => {
  let servers: QueueServers;
  let api: INestApplicationContext;
  let workers: INestApplicationContext;
  let unitOfWork: UnitOfWork;
  let greeted: { payload: Greeting; delivery: JobDelivery }[];

  beforeAll(async () => {
    servers = await QueueServers.start(useRedis);
    [api, workers] = [await servers.startProducer(), await servers.startWorkers()];
    unitOfWork = api.get(UnitOfWork);
    await unitOfWork.query('CREATE TABLE greetings (name text NOT NULL, attempt int NOT NULL)');
  });
  afterAll(async () => {
    await workers.close();
    await api.close();
    await servers.stop();
  });
  beforeEach(() => {
    greeted = [];
    behaviour.greet = greetOnce;
  });

  /** An exemplary handler: its change and the end of the row commit together. */
  async function greetOnce(payload: Greeting, delivery: JobDelivery): Promise<void> {
    greeted.push({ payload, delivery });
    await unitOfWork.run(async (tx) => {
      if (!(await delivery.finish(tx))) return;
      await tx.query('INSERT INTO greetings VALUES ($1, $2)', [payload.name, delivery.attempt]);
    });
  }

  function greet(name: string): Promise<string> {
    return unitOfWork.run((tx) => api.get(Jobs).enqueue(tx, greetingJobs.greet, project, { name }));
  }

  /** What `retry_at` would bring about in time. */
  async function makeDue(id: string): Promise<void> {
    await unitOfWork.query(`UPDATE outbox SET retry_at = now() WHERE id = $1`, [id]);
    api.get(Signals).publish('outbox', '');
  }

  async function row(id: string): Promise<{ done_at: Date | null; attempt: number } | undefined> {
    return unitOfWork.queryOne('SELECT done_at, attempt FROM outbox WHERE id = $1', [id]);
  }

  const untilDone = (id: string) => eventually(async () => expect((await row(id))?.done_at).toBeInstanceOf(Date));

  async function attemptsThatChanged(name: string): Promise<number[]> {
    const rows = await unitOfWork.query<{ attempt: number }>('SELECT attempt FROM greetings WHERE name = $1', [name]);
    return rows.map(({ attempt }) => attempt);
  }

  it('reaches its handler, which ends its row', async () => {
    const id = await greet('Ada');
    await untilDone(id);
    expect(greeted).toEqual([
      {
        payload: { name: 'Ada' },
        delivery: expect.objectContaining({ project_id: project, outbox_id: id, attempt: 1 }),
      },
    ]);
    expect(await attemptsThatChanged('Ada')).toEqual([1]);
  });

  it('goes on with the trace of the request that left it', async () => {
    let context: ReturnType<typeof currentContext>;
    behaviour.greet = async (payload, delivery) => {
      context = currentContext();
      await greetOnce(payload, delivery);
    };
    const id = await runInContext({ request_id: 'r', traceparent }, () => greet('Traced'));
    await untilDone(id);
    expect(greeted[0]?.delivery.traceparent).toBe(traceparent);
    expect(context).toMatchObject({ project_id: project, request_id: id });
    expect(context?.traceparent.slice(0, 35)).toBe(traceparent.slice(0, 35));
  });

  it('never comes about when its transaction is rolled back', async () => {
    const failing = unitOfWork.run(async (tx) => {
      await api.get(Jobs).enqueue(tx, greetingJobs.greet, project, { name: 'Nobody' });
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    await untilDone(await greet('Somebody'));
    expect(greeted.map(({ payload }) => payload.name)).toEqual(['Somebody']);
  });

  it('comes again as a new attempt when its handler throws', async () => {
    behaviour.greet = async (payload, delivery) => {
      if (delivery.attempt > 1) return greetOnce(payload, delivery);
      greeted.push({ payload, delivery });
      throw new Error('not this time');
    };
    const id = await greet('Grace');
    const queue = workers.get<Queue>(getQueueToken('greetings'));
    await eventually(async () => expect((await queue.getJob(`outbox-${id}-1`))?.failedReason).toBe('not this time'));
    expect(await row(id)).toEqual({ done_at: null, attempt: 1 });

    await makeDue(id);
    await untilDone(id);
    expect(await attemptsThatChanged('Grace')).toEqual([2]);
  });

  it('comes again when the queue forgot it half way, and changes things once although both runs end', async () => {
    let goOn = () => undefined as void;
    const halfWay = new Promise<void>((resolve) => (goOn = resolve));
    const firstRun = new Promise<void>((ended) => {
      behaviour.greet = async (payload, delivery) => {
        greeted.push({ payload, delivery });
        if (delivery.attempt === 1) await halfWay;
        await greetOnce(payload, delivery);
        if (delivery.attempt === 1) ended();
      };
    });
    const id = await greet('Edsger');
    await eventually(() => expect(greeted).toHaveLength(1));
    await servers.forgetJobs(workers);

    await makeDue(id);
    await untilDone(id);
    goOn();
    await firstRun;
    expect(await attemptsThatChanged('Edsger')).toEqual([2]);
  });

  it('comes again when the queue forgot it before anybody took it', async () => {
    const queue = workers.get<Queue>(getQueueToken('greetings'));
    await queue.pause();
    const id = await greet('Alan');
    await eventually(async () => expect(await queue.getJob(`outbox-${id}-1`)).toBeDefined());
    await servers.forgetJobs(workers);
    await queue.resume();
    await makeDue(id);
    await untilDone(id);
    expect(await attemptsThatChanged('Alan')).toEqual([2]);
  });

  it('is refused when it is left with a payload that it does not declare', async () => {
    const leave = (payload: object) =>
      unitOfWork.run((tx) => api.get(Jobs).enqueue(tx, greetingJobs.greet, project, payload as Greeting));
    await expect(leave({ name: 7 })).rejects.toThrow(
      'invalid payload of job "greet" in queue "greetings": name must be a',
    );
    await expect(leave({ name: 'x', times: 4 })).rejects.toThrow('times must not be greater than 3');
    await expect(leave({ name: 'x', nmae: 'y' })).rejects.toThrow('property nmae should not exist');
  });

  it('stays, with a clear reason, while its payload or its name is none that its handlers know', async () => {
    const [invalid, unknown] = await unitOfWork.run(async (tx) => [
      await api.get(Outbox).enqueue(tx, greetingJobs.greet, project, { times: 9 }),
      await api.get(Outbox).enqueue(tx, { queue: 'greetings', name: 'sing' }, project, {}),
    ]);
    const queue = workers.get<Queue>(getQueueToken('greetings'));
    const reason = async (id: string | undefined) => (await queue.getJob(`outbox-${id}-1`))?.failedReason;
    await eventually(async () =>
      expect(await reason(invalid)).toContain('name must be a string; times must not be greater than 3'),
    );
    await eventually(async () => expect(await reason(unknown)).toBe('no handler for job "sing"'));
    expect([await row(invalid!), await row(unknown!)]).toEqual([
      { done_at: null, attempt: 1 },
      { done_at: null, attempt: 1 },
    ]);
    expect(greeted).toEqual([]);
  });

  it('reaches its handler without the fields that a newer release may have added', async () => {
    const id = await unitOfWork.run((tx) =>
      api.get(Outbox).enqueue(tx, greetingJobs.greet, project, { name: 'Barbara', mood: 'good' }),
    );
    await untilDone(id);
    expect(greeted[0]?.payload).toEqual({ name: 'Barbara' });
  });

  it('for an unknown queue stays, and holds up no other', async () => {
    const unknown = await unitOfWork.run((tx) =>
      api.get(Outbox).enqueue(tx, { queue: 'nowhere', name: 'get-lost' }, project, {}),
    );
    await untilDone(await greet('Donald'));
    await eventually(async () => expect(await row(unknown)).toEqual({ done_at: null, attempt: 1 }));
  });

  it('is one of many more than a relay takes at once, and all are done', async () => {
    const names = Array.from({ length: 250 }, (_, i) => `many-${i}`);
    await unitOfWork.run(async (tx) => {
      for (const name of names) await api.get(Jobs).enqueue(tx, greetingJobs.greet, project, { name });
    });
    await eventually(() => expect(new Set(greeted.map(({ payload }) => payload.name)).size).toBe(250));
    await eventually(async () => {
      const done = await unitOfWork.query(`SELECT FROM greetings WHERE name LIKE 'many-%' AND attempt = 1`);
      expect(done).toHaveLength(250);
    });
  });

  it('that is at work when its app closes still commits', async () => {
    const closing = await servers.startWorkers();
    await workers.close();
    let closed: Promise<void> | undefined;
    behaviour.greet = async (payload, delivery) => {
      closed = closing.close();
      await eventually(() => expect(closing.get(GreetingProcessor).worker.closing).toBeDefined());
      await closing.get(UnitOfWork).run(async (tx) => {
        if (await delivery.finish(tx)) await tx.query('INSERT INTO greetings VALUES ($1, $2)', [payload.name, 1]);
      });
    };
    const id = await greet('Last');
    await untilDone(id);
    await closed;
    expect(await attemptsThatChanged('Last')).toEqual([1]);
    behaviour.greet = greetOnce;
    workers = await servers.startWorkers();
  });

  it('that does not end holds up the close of its app for 5 s at most', async () => {
    const closing = await servers.startWorkers();
    await workers.close();
    const begun = new Promise<void>((resolve) => {
      behaviour.greet = async () => {
        resolve();
        await released;
      };
    });
    let release = () => undefined as void;
    const released = new Promise<void>((resolve) => (release = resolve));
    await greet('Endless');
    await begun;
    const asked = performance.now();
    await closing.close();
    expect(performance.now() - asked).toBeLessThan(8_000);
    release();
    workers = await servers.startWorkers();
  });

  it('is seen in the metrics', async () => {
    await untilDone(await greet('Counted'));
    const { text } = await workers.get(Metrics).expose();
    expect(text).toMatch(/^holdfast_outbox_waiting\{app="test"\} \d+$/m);
    expect(text).toMatch(
      /^holdfast_outbox_oldest_seconds\{app="test"\} 0\.\d*[1-9]|^holdfast_outbox_oldest_seconds\{app="test"\} [1-9]/m,
    );
    expect(text).toMatch(/^holdfast_outbox_handed_over_total\{queue="greetings",app="test"\} [1-9]/m);
    expect(text).toMatch(/^holdfast_job_seconds_count\{app="test",job="greet",outcome="handled"\} [1-9]/m);
  });
});

import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Outbox, UnitOfWork } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';
import { Metrics } from '@holdfast/platform-telemetry';
import { testPostgres } from '@holdfast/testing';
import { Queue } from 'bullmq';
import { Jobs, OutboxRelay } from '../src/index.js';
import { JobQueues } from '../src/job-queues.js';
import { QueueBackend } from '../src/queue-backend.js';
import { behaviour, greetingJobs, QueueServers, startApp } from './queue-app.js';

Logger.overrideLogger(false);

const project = randomUUID();

describe('a process that uses queues', () => {
  it('does not start on a database without the schema of the queues', async () => {
    const postgres = await testPostgres();
    await expect(startApp(postgres.url, undefined, true)).rejects.toThrow('"bullmq" is not initialized');
    await postgres.drop();
  });

  it('leaves rows untaken while Redis is away', async () => {
    const servers = await QueueServers.start(false);
    const api = await servers.startProducer();
    const id = await api
      .get(UnitOfWork)
      .run((tx) => api.get(Jobs).enqueue(tx, greetingJobs.greet, project, { name: 'x' }));
    const backend = new QueueBackend(servers.postgres.url, 'redis://127.0.0.1:1');
    const queue = new Queue('greetings', { connection: backend.connection });
    const queues = new JobQueues(backend, [queue]);

    const relay = new OutboxRelay(api.get(Outbox), queues, api.get(Signals), new Metrics('test'));
    await relay.onApplicationBootstrap();
    await relay.beforeApplicationShutdown();

    const row = await api.get(UnitOfWork).queryOne('SELECT attempt FROM outbox WHERE id = $1', [id]);
    expect(row).toEqual({ attempt: 0 });
    await queue.close();
    backend.onApplicationShutdown();
    await api.close();
    await servers.stop();
  });
});

describe('the handlers of a catalogue', () => {
  it('do not compile when one is missing or takes another payload', () => {
    const partWith = async () => undefined;
    // @ts-expect-error greet is missing
    const missing: typeof behaviour = { partWith };
    // @ts-expect-error the payload of greet has no such field
    const other: typeof behaviour = { partWith, greet: async (payload: { title: string }) => void payload.title };
    expect([missing, other]).toHaveLength(2);
  });
});

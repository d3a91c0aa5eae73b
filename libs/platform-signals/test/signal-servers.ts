import type { OnApplicationShutdown } from '@nestjs/common';
import { createRedis } from '@holdfast/platform-redis';
import { testPostgres, testRedis } from '@holdfast/testing';
import pg from 'pg';
import { PostgresSignals, RedisSignals, type Signals } from '../src/index.js';

/** The signals of one process. */
export type ProcessSignals = Signals & OnApplicationShutdown;

/** One real server, and what a test does to it. */
export interface SignalServer {
  /** Like another process of the installation. */
  connect(): Promise<ProcessSignals>;
  /** With nothing at the other end. */
  connectNowhere(): Promise<ProcessSignals>;
  /** Cuts every connection of signals; returns how many. */
  killConnections(): Promise<number>;
  stop(): Promise<void>;
}

async function startPostgres(): Promise<SignalServer> {
  const postgres = await testPostgres();
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  return {
    connect: () => PostgresSignals.connect(postgres.url),
    connectNowhere: () => PostgresSignals.connect('postgres://127.0.0.1:1/nowhere'),
    killConnections: async () => {
      const killed = await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'holdfast-signals-%'`,
      );
      return killed.rows.length;
    },
    stop: async () => {
      await admin.end();
      await postgres.drop();
    },
  };
}

async function startRedis(): Promise<SignalServer> {
  const redis = await testRedis();
  if (!redis) throw new Error('no Redis');
  const admin = createRedis(redis.url, { name: 'test-admin', whileAway: 'wait' });
  const database = new URL(redis.url).pathname.slice(1);
  return {
    connect: () => RedisSignals.connect(redis.url),
    connectNowhere: () => RedisSignals.connect('redis://127.0.0.1:1'),
    killConnections: async () => {
      const clients = String(await admin.client('LIST')).split('\n');
      const ours = clients.filter(
        (line) => line.includes(' name=holdfast-signals-') && line.includes(` db=${database} `),
      );
      for (const line of ours) await admin.client('KILL', 'ID', /^id=(\d+)/.exec(line)![1]!);
      return ours.length;
    },
    stop: async () => {
      admin.disconnect();
      await redis.drop();
    },
  };
}

/** Every server that this machine has. */
export const availableServers = [
  { name: 'PostgreSQL', start: startPostgres },
  ...(process.env['HOLDFAST_TEST_REDIS_URL'] ? [{ name: 'Redis', start: startRedis }] : []),
];

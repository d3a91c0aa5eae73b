import { rmSync } from 'node:fs';
import path from 'node:path';

const SETTINGS = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method'];

/**
 * A private PostgreSQL that is as durable as one in production, and a Redis. `undo` takes what stops them again.
 */
export async function startServices(folder, undo) {
  const { endWithThisProcess } = await import('../../test-services.mjs');
  const { startPostgres, startRedis } = await import('@holdfast/platform-embedded');
  const keep = (server, data) => {
    const release = endWithThisProcess(server, folder);
    undo.push(async () => {
      release();
      await server.stop();
      rmSync(data, { recursive: true, force: true });
    });
    return server;
  };
  const dataDir = path.join(folder, 'postgres');
  const redisDir = path.join(folder, 'redis');
  const postgres = keep(await startPostgres({ dataDir, durable: true }), dataDir);
  const redis = keep(await startRedis({ dir: redisDir }), redisDir);
  return { postgres, redis, settings: await durableSettings(postgres.url) };
}

/** Fails when an acknowledged commit could be lost: then nothing measured here would mean anything. */
async function durableSettings(url) {
  const { default: pg } = await import('pg');
  const client = new pg.Client(url);
  await client.connect();
  const settings = {};
  for (const name of SETTINGS) settings[name] = (await client.query(`SHOW ${name}`)).rows[0][name];
  await client.query('CREATE DATABASE bare');
  await client.end();
  if (settings.fsync !== 'on' || settings.synchronous_commit !== 'on') {
    throw new Error(`PostgreSQL is not durable: ${JSON.stringify(settings)}`);
  }
  return settings;
}

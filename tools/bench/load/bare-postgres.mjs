import pg from 'pg';
import { Durations } from '../statistics.mjs';
import { eventJson } from './event.mjs';
import { Window } from './window.mjs';

/** What the limits of PostgreSQL are measured on: a table like the plainest log could have. */
const TABLE = `
  CREATE TABLE IF NOT EXISTS bare_rows (stream bigint, position bigint, body text, PRIMARY KEY (stream, position));
  CREATE TABLE IF NOT EXISTS bare_pages (id bigint PRIMARY KEY, body bytea)`;
const ONE_ROW = {
  name: 'one_row',
  text: 'INSERT INTO bare_rows (stream, position, body) VALUES ($1, $2, $3)',
};
const MANY_ROWS = {
  name: 'many_rows',
  text: `INSERT INTO bare_rows (stream, position, body)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])`,
};
const PAGE_BYTES = 1024 * 1024;
const PAGES_AT_ONCE = 4;

/** One client commits one row of 256 bytes at a time: the least that any durable append on this PostgreSQL takes. */
export async function commitRows({ databaseUrl, warmUpSeconds, seconds }, { mark }) {
  const client = await openTable(databaseUrl);
  const window = new Window();
  const durations = new Durations();
  const stream = await newStream(client);
  const timing = window.pass({ warmUpSeconds, seconds, mark });
  for (let position = 0; !window.isOver; position += 1) {
    const startedAt = performance.now();
    await client.query({ ...ONE_ROW, values: [stream, position, eventJson(position)] });
    if (window.isOpen) durations.add(performance.now() - startedAt);
  }
  await timing;
  await client.end();
  return throughput(durations, window);
}

/**
 * `writers` that each wait for their row to be committed before the next one; all rows that gather while a commit is on
 * its way go with the next: one statement, one transaction, one in flight.
 */
export async function commitGroups({ databaseUrl, writers, warmUpSeconds, seconds }, { mark }) {
  const client = await openTable(databaseUrl);
  const window = new Window();
  const durations = new Durations();
  const firstStream = await newStream(client);
  const positions = Array.from({ length: writers }, () => 0);
  let waiting = positions.map((_, writer) => ({ writer, since: performance.now() }));
  const timing = window.pass({ warmUpSeconds, seconds, mark });
  while (!window.isOver) {
    const group = waiting;
    const streams = group.map(({ writer }) => firstStream + writer);
    const places = group.map(({ writer }) => positions[writer]++);
    await client.query({ ...MANY_ROWS, values: [streams, places, places.map(eventJson)] });
    const now = performance.now();
    if (window.isOpen) for (const { since } of group) durations.add(now - since);
    waiting = group.map(({ writer }) => ({ writer, since: now }));
  }
  await timing;
  await client.end();
  return throughput(durations, window);
}

/** Reads `bytes` from rows of 1 MiB in their binary form, four rows at a time: a cold read without anything around it. */
export async function readPages({ databaseUrl, bytes }, { mark }) {
  const client = await openTable(databaseUrl);
  const pages = Math.ceil(bytes / PAGE_BYTES);
  const { rows } = await client.query('SELECT count(*)::int AS count FROM bare_pages');
  if (rows[0].count < pages) await writePages(client, pages);

  await mark('start');
  const startedAt = performance.now();
  let read = 0;
  let first_byte_ms;
  for (let id = 0; id < pages; id += PAGES_AT_ONCE) {
    const text = 'SELECT body FROM bare_pages WHERE id >= $1 AND id < $2 ORDER BY id';
    const page = await client.query({ name: 'pages', text, values: [id, id + PAGES_AT_ONCE], binary: true });
    first_byte_ms ??= performance.now() - startedAt;
    for (const { body } of page.rows) read += body.length;
  }
  const elapsed = performance.now() - startedAt;
  await mark('end');
  await client.end();
  return { operations: read / 1e6, mb_per_s: read / 1e3 / elapsed, first_byte_ms, p50_ms: elapsed };
}

async function writePages(client, pages) {
  const body = Buffer.from(eventJson(0).repeat(PAGE_BYTES / 256));
  // As text that compresses well it would not be 25 MB on its way.
  await client.query('ALTER TABLE bare_pages ALTER COLUMN body SET STORAGE EXTERNAL');
  for (let id = 0; id < pages; id += 1) {
    await client.query('INSERT INTO bare_pages (id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING', [id, body]);
  }
}

async function openTable(databaseUrl) {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  await client.query(TABLE);
  return client;
}

async function newStream(client) {
  const { rows } = await client.query('SELECT coalesce(max(stream), 0) + 1 AS stream FROM bare_rows');
  return Number(rows[0].stream);
}

function throughput(durations, window) {
  const perSecond = durations.count / window.seconds;
  return {
    operations: durations.count,
    ops_per_s: perSecond,
    events_per_s: perSecond,
    p50_ms: durations.percentile(0.5),
    p99_ms: durations.percentile(0.99),
  };
}

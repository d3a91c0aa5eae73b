/** What the database holds of a project, as far as the audit asks: rows by `pg`, logs as the apis read them. */
export async function readFacts({ databaseUrl, project_id, url, apiKey }) {
  const { default: pg } = await import('pg');
  const { HoldfastClient } = await import('@holdfast/client');
  const { replayTurns } = await import('@holdfast/testing');
  const client = new HoldfastClient({ url, apiKey });
  const database = new pg.Client(databaseUrl);
  await database.connect();
  const rows = async (text) => (await database.query(text, [project_id])).rows;
  try {
    const turns = await rows(`SELECT *, epoch::int FROM session_turns WHERE project_id = $1 ORDER BY created_at`);
    const streams = await rows(`SELECT * FROM session_streams WHERE project_id = $1`);
    const slots = await rows(`SELECT * FROM project_turn_slots WHERE project_id = $1 AND session_id IS NOT NULL`);
    const fences = await rows(`SELECT session_id, epoch::int FROM session_fences WHERE project_id = $1`);
    const outbox = await rows(`SELECT * FROM outbox WHERE project_id = $1 AND done_at IS NULL`);
    const deliveries = await rows(`SELECT turn_id, status FROM trigger_deliveries WHERE project_id = $1`);
    const interactions = await rows(
      `SELECT id, session_id, status, verdict FROM session_interactions WHERE project_id = $1`,
    );
    const lagging = await rows(`SELECT path FROM log_streams WHERE project_id = $1 AND lagging`);
    const logs = new Map();
    for (const { session_id } of streams) {
      const events = [];
      for await (const { offset, event } of client.readSession(session_id, { offset: '-1' }))
        events.push({ offset, event });
      logs.set(session_id, { events, history: replayTurns(events.map(({ event }) => event)) });
    }
    return { turns, streams, slots, fences, outbox, deliveries, interactions, lagging, logs };
  } finally {
    await database.end();
  }
}

/** How many turns are not at their end, and how much work is left over. */
export async function readUnrest({ databaseUrl, project_id }) {
  const { default: pg } = await import('pg');
  const database = new pg.Client(databaseUrl);
  await database.connect();
  try {
    const { rows } = await database.query(
      `SELECT (SELECT count(*)::int FROM session_turns WHERE project_id = $1
                AND status IN ('inbox', 'queued', 'starting', 'running', 'stopping')) AS turns,
              (SELECT count(*)::int FROM outbox WHERE project_id = $1 AND done_at IS NULL) AS jobs,
              (SELECT count(*)::int FROM log_streams WHERE project_id = $1 AND lagging) AS transcripts`,
      [project_id],
    );
    return rows[0];
  } finally {
    await database.end();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { Durations } from '../statistics.mjs';
import { PlayedRunner } from './played-runner.mjs';
import { Window } from './window.mjs';

/** The runners of the row, with the turns that they own: they stay for all of its rounds. */
let runners = [];

/**
 * Registers `replicas` runners and lets them own `turns` running turns, equally many each. The rows are put in place of
 * the requests that would have made them, which take about three minutes (docs/performance.md).
 */
export async function ownMany({ server, databaseUrl, turns, replicas }) {
  const { default: pg } = await import('pg');
  for (const { runner } of runners) runner.close();
  runners = [];
  const database = new pg.Client(databaseUrl);
  await database.connect();
  for (let index = 0; index < replicas; index += 1) {
    const runner = await PlayedRunner.register(server, { capacity: turns / replicas });
    const { rows } = await database.query(OWN, [runner.replica, turns / replicas]);
    runners.push({ runner, grants: rows.map((row) => ({ ...row, epoch: 1 })) });
  }
  // As autovacuum would have by then.
  await database.query('VACUUM ANALYZE session_streams, session_turns, runner_replicas');
  await database.end();
}

/** $1: the replica, $2: how many turns. */
const OWN = `
  WITH made AS (
    SELECT r.project_id, r.replica_id, gen_random_uuid() AS turn_id, 'beats-' || gen_random_uuid() AS session_id
      FROM runner_replicas r, generate_series(1, $2::int) WHERE r.replica_id = $1),
  fences AS (
    INSERT INTO session_fences (project_id, session_id, epoch) SELECT project_id, session_id, 1 FROM made),
  streams AS (
    INSERT INTO session_streams (project_id, session_id, turn_count, current_turn_id, owner_replica_id, owner_epoch,
                                 lease_until, last_heartbeat_at)
    SELECT project_id, session_id, 1, turn_id, replica_id, 1, now() + interval '30 seconds', now() FROM made)
  INSERT INTO session_turns (project_id, session_id, turn_id, turn_index, status, pool, agent_name, agent_revision,
                             harness, prompt, attempt, epoch, replica_id, created_by_id, started_at)
  SELECT project_id, session_id, turn_id, 0, 'running', 'default', 'scripted', 1, 'scripted', 'measure', 1, 1, replica_id,
         replica_id, now() FROM made
  RETURNING session_id, turn_id`;

/** Each runner beats for all its turns every `beatSeconds`, the runners spread over that time. */
export async function heartbeats({ isBeating, beatSeconds, warmUpSeconds, seconds }, { mark }) {
  const window = new Window();
  const durations = new Durations();
  let renewed = 0;

  const beat = async ({ runner, grants }, index) => {
    for (let due = performance.now() + (index / runners.length) * beatSeconds * 1000; ; due += beatSeconds * 1000) {
      await sleep(Math.max(0, due - performance.now()));
      if (window.isOver) return;
      const sentAt = performance.now();
      const answers = await runner.beat(grants);
      const lost = answers.filter(({ is_current }) => !is_current).length;
      if (lost) throw new Error(`${lost} turns were lost while their runner was beating`);
      if (!window.isOpen) continue;
      durations.add(performance.now() - sentAt);
      renewed += answers.length;
    }
  };

  const timing = window.pass({ warmUpSeconds, seconds, mark });
  await Promise.race([timing, isBeating ? Promise.all(runners.map(beat)) : timing]);
  return {
    operations: renewed,
    turns_per_s: renewed / window.seconds,
    p50_ms: durations.percentile(0.5),
    p99_ms: durations.percentile(0.99),
  };
}

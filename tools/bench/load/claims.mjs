import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Durations } from '../statistics.mjs';
import { Connection } from './connection.mjs';
import { invokeRequest, PlayedRunner } from './played-runner.mjs';
import { Window } from './window.mjs';

const WAIT_SECONDS = 20;

/**
 * `runners` wait for turns, one request each, and end each turn as soon as it runs; `rate` turns a second are started.
 * Times are from the request that starts a turn until a runner has its grant, and until it is `running`.
 */
export async function claims({ server, runners: count, rate, warmUpSeconds, seconds }, { mark }) {
  const window = new Window();
  const took = { grant: new Durations(), running: new Durations() };
  const sent = new Map();
  const runners = await Promise.all(
    Array.from({ length: count }, () => PlayedRunner.register(server, { capacity: 4 })),
  );
  let isOver = false;

  const serve = async (runner) => {
    while (!isOver) {
      for (const grant of await runner.claim(1, WAIT_SECONDS)) {
        const grantedAt = performance.now();
        await runner.beat([grant]);
        const runningAt = performance.now();
        const { sentAt, counts } = sent.get(grant.session_id) ?? {};
        if (counts) {
          took.grant.add(grantedAt - sentAt);
          took.running.add(runningAt - sentAt);
        }
        await runner.complete(grant);
        sent.delete(grant.session_id);
      }
    }
  };
  // Whoever waits for a turn when all is over is cut off.
  const serving = Promise.all(runners.map((runner) => serve(runner).catch((error) => isOver || Promise.reject(error))));

  const invoke = async () => {
    const connection = await Connection.open(server.port);
    for (let due = performance.now(); !window.isOver; due += 1000 / rate) {
      await sleep(Math.max(0, due - performance.now()));
      const session_id = `claim-${randomUUID()}`;
      sent.set(session_id, { sentAt: performance.now(), counts: window.isOpen });
      await connection.request(invokeRequest(server, { session_id, isDetached: true }));
    }
    connection.close();
  };
  await Promise.race([serving, Promise.all([window.pass({ warmUpSeconds, seconds, mark }), invoke()])]);
  while (sent.size) await Promise.race([serving, sleep(10)]);
  isOver = true;
  for (const runner of runners) runner.close();
  return {
    operations: took.running.count,
    granted_p50_ms: took.grant.percentile(0.5),
    granted_p99_ms: took.grant.percentile(0.99),
    p50_ms: took.running.percentile(0.5),
    p99_ms: took.running.percentile(0.99),
  };
}

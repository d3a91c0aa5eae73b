import { randomUUID } from 'node:crypto';
import { Durations } from '../statistics.mjs';
import { openSocket } from './connection.mjs';
import { invokeRequest, PlayedRunner } from './played-runner.mjs';
import { ResponseParser } from './response-parser.mjs';
import { Window } from './window.mjs';

const WAIT_SECONDS = 20;

/**
 * One turn after the other, each in a new session, whose caller stays for its events: the times from the request until
 * the first event, and until the first of the agent. The agent is warm: a runner that says something as soon as it has
 * the turn.
 */
export async function invokes({ server, warmUpSeconds, seconds }, { mark }) {
  const window = new Window();
  const took = { first: new Durations(), agent: new Durations() };
  const runner = await PlayedRunner.register(server, { capacity: 4 });

  const serve = async () => {
    while (!window.isOver) {
      for (const grant of await runner.claim(1, WAIT_SECONDS)) {
        await runner.beat([grant]);
        await runner.say(grant, 0, 'here');
        await runner.complete(grant);
      }
    }
  };
  const invoke = async () => {
    while (!window.isOver) {
      const { first, agent } = await oneTurn(server);
      if (!window.isOpen) continue;
      took.first.add(first);
      took.agent.add(agent);
    }
    runner.close();
  };
  const serving = serve().catch((error) => window.isOver || Promise.reject(error));
  await Promise.race([
    Promise.all([window.pass({ warmUpSeconds, seconds, mark }), invoke()]),
    serving.then((isOver) => isOver || Promise.reject(new Error('the runner has left'))),
  ]);
  return {
    operations: took.agent.count,
    first_p50_ms: took.first.percentile(0.5),
    p50_ms: took.agent.percentile(0.5),
    p99_ms: took.agent.percentile(0.99),
  };
}

/** Milliseconds until the first event, and until the first of the agent; resolves when the turn is over. */
function oneTurn(server) {
  return new Promise((resolve, reject) => {
    const askedAt = performance.now();
    let text = '';
    let status;
    let first;
    let agent;
    const parser = new ResponseParser({
      onHead: (code) => (status = code),
      onBody(buffer, start, end) {
        text += buffer.latin1Slice(start, end);
        if (first === undefined && text.includes('event: data')) first = performance.now() - askedAt;
        if (agent === undefined && text.includes('agent.update')) agent = performance.now() - askedAt;
      },
      onEnd() {
        socket.destroy();
        if (agent === undefined) reject(new Error(`a turn ended without a word (${status}): ${text}`));
        else resolve({ first, agent });
      },
    });
    let socket;
    void openSocket(server.port, (buffer, length) => parser.feed(buffer, length)).then((opened) => {
      socket = opened;
      socket.on('error', reject);
      socket.write(invokeRequest(server, { session_id: `invoke-${randomUUID()}`, isDetached: false }), 'latin1');
    }, reject);
  });
}

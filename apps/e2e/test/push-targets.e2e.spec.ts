import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { SessionStreamInvoked } from '@holdfast/client';
import { eventually } from '@holdfast/testing';
import { followUntil, isEnd, textOf, typesOf } from './follow.js';
import { service, startStack, type Service, type Stack } from './stack.js';

const program = path.resolve(import.meta.dirname, '../../push-reference/dist/main.js');
const READY = /push-reference ready (\S+)/;

describe('a push target, end to end', () => {
  let stack: Stack;
  let reference: Service;
  const servers: Server[] = [];

  beforeAll(async () => {
    stack = await startStack({ runner: false, env: { PUSH_ALLOW_PRIVATE: 'true', LEASE_SECONDS: '8' } });
    reference = service('push-reference', program, { HOLDFAST_URL: stack.url }, async () => {
      if (!READY.test(reference.output())) throw new Error('not ready yet');
    });
    await reference.start();
    await setAgent('reference', READY.exec(reference.output())![1]!);
  }, 60_000);
  afterAll(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await reference?.stop();
    await stack?.stop();
  }, 30_000);

  const setAgent = (name: string, push_url: string, more: { max_attempts?: number } = {}) =>
    stack.client.agents.setAgent({ name, AgentSet: { harness: 'push', push_url, ...more } });
  /** A detached invoke that waits for the start, as its caller sees it. */
  const invoke = async (name: string, prompt: string, session_id = `s-${randomUUID()}`) => {
    const response = await fetch(`${stack.url}/v1/sessions/streams/invoke`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stack.keys.api_key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ session_id, prompt, agent: { name }, detached: true, start_within_ms: 20_000 }),
    });
    const body = (await response.json()) as SessionStreamInvoked & { code?: string; detail?: string };
    return { status: response.status, body, session_id };
  };
  const deliveryOf = (turn_id: string, status: string) =>
    eventually(async () => {
      const { data } = await stack.client.triggers.queryTriggerDeliveries({ TriggerDeliveryQuery: { turn_id } });
      expect(data).toEqual([expect.objectContaining({ turn_id, status })]);
      return data[0]!;
    });
  const pendingQuestion = (session_id: string) =>
    eventually(async () => {
      const { data } = await stack.client.interactions.querySessionInteractions({
        SessionInteractionQuery: { session_id, status: 'pending' },
      });
      expect(data).toHaveLength(1);
      return data[0]!;
    });
  /** A service of the test's own. */
  async function serve(listener: (response: ServerResponse, body: { turn_id: string; epoch: number }) => void) {
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => listener(response, JSON.parse(text) as { turn_id: string; epoch: number }));
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  it('runs a turn whose id is one in the answer, every event, the question, the records and the delivery (A8, J5)', async () => {
    const { status, body, session_id } = await invoke('reference', 'ask me');
    expect([status, body]).toEqual([202, expect.objectContaining({ status: 'running' })]);
    const { turn_id } = body;
    await deliveryOf(turn_id, 'dispatched');

    const question = await pendingQuestion(session_id);
    expect(question.turn_id).toBe(turn_id);
    // The service has beaten before it asked.
    const liveness = await stack.client.streams.fetchSessionLiveness({ session_id });
    expect(liveness).toMatchObject({ alive: true, sandbox_live: true });
    await stack.client.respond(question.interaction_id, { decision: 'allow' });
    const seen = await followUntil(stack, session_id);
    expect(textOf(seen)).toBe('You said: ask meI went on.');
    expect(typesOf(seen).at(-1)).toBe('turn.completed');
    expect(seen.slice(1).map(({ event }) => event.turn_id)).toEqual(seen.slice(1).map(() => turn_id));
    expect(JSON.stringify(seen)).not.toContain('hf_turn_');

    expect(await deliveryOf(turn_id, 'completed')).toMatchObject({ session_id, error: null });
    const records = await eventually(async () => {
      const page = await stack.client.transcripts.querySessionTranscripts({ SessionTranscriptQuery: { session_id } });
      expect(page.projected_offset).toBe(page.tail_offset);
      return page.data;
    });
    expect(new Set(records.map((record) => record.turn_id))).toEqual(new Set([turn_id]));
  });

  it('is told at once when a turn is cancelled', async () => {
    const { body, session_id } = await invoke('reference', 'ask me');
    await pendingQuestion(session_id);
    await stack.client.invoke({ session_id });
    await followUntil(stack, session_id, ({ event }) => event.type === 'turn.cancelled');
    await deliveryOf(body.turn_id, 'cancelled');
    expect(await stack.client.streams.fetchSessionTurn({ turn_id: body.turn_id })).toMatchObject({ error: null });
  });

  it('that does not accept is not_started, and the session takes the next prompt (J3, J5)', async () => {
    await setAgent('broken', await serve((response) => response.writeHead(500).end()));
    const { status, body, session_id } = await invoke('broken', 'hello');
    expect([status, body.code]).toEqual([503, 'not_started']);
    expect(body.detail).toContain('answered 500');
    expect(await deliveryOf(body.turn_id, 'failed')).toMatchObject({
      dispatched_at: null,
      error: { code: 'not_started' },
    });
    expect(await invoke('reference', 'hello', session_id)).toMatchObject({ status: 202 });
    await followUntil(stack, session_id, ({ event }) => event.type === 'turn.completed');
  });

  it('is called again under a new epoch when the worker is killed while it waits', async () => {
    const calls: { turn_id: string; epoch: number }[] = [];
    let called = () => undefined as void;
    const firstCall = new Promise<void>((settle) => (called = settle));
    const url = await serve((response, body) => {
      if (calls.push(body) === 1) called();
      else response.end('{"type":"accepted"}\n');
    });
    await setAgent('slow', url);
    const session_id = `s-${randomUUID()}`;
    const { turn_id } = await stack.client.invoke({ session_id, prompt: 'hello', agent: { name: 'slow' } });
    await firstCall;
    await stack.workers.kill();
    await stack.workers.start();
    // A lease runs out first, and the sweep waits as long for its own contact with the database.
    await eventually(() => expect(calls).toHaveLength(2), { timeout: 60_000 });

    const seen = await followUntil(stack, session_id, ({ event }) => event.type === 'turn.running');
    expect(typesOf(seen)).toContain('turn.attempt_lost');
    expect(calls.map((call) => call.turn_id)).toEqual([turn_id, turn_id]);
    expect(calls[1]!.epoch).toBeGreaterThan(calls[0]!.epoch);
    await deliveryOf(turn_id, 'dispatched');
    await stack.client.kill(session_id);
    await deliveryOf(turn_id, 'cancelled');
  }, 120_000);

  it('that dies loses its turn when its lease runs out, and the delivery says so (J5)', async () => {
    await setAgent('mortal', READY.exec(reference.output())![1]!, { max_attempts: 1 });
    const { body, session_id } = await invoke('mortal', 'ask me');
    await pendingQuestion(session_id);
    await reference.kill();
    const isLost = async () =>
      expect(await stack.client.streams.fetchSessionTurn({ turn_id: body.turn_id })).toMatchObject({ status: 'lost' });
    await eventually(isLost, { timeout: 60_000 });
    expect(typesOf(await followUntil(stack, session_id, isEnd))).toContain('interaction.cancelled');
    expect(await deliveryOf(body.turn_id, 'lost')).toMatchObject({ error: { code: 'owner_lost' } });
  }, 120_000);
});

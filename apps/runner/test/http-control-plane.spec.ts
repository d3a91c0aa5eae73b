import type { SessionTurnGrant } from '@holdfast/client';
import { pino } from 'pino';
import { Contact } from '../src/contact.js';
import { ControlPlaneRefusal, ControlPlaneUnavailable, StaleEpoch } from '../src/control-plane.js';
import { HttpControlPlane } from '../src/http-control-plane.js';
import { ControlPlaneServer } from './control-plane-server.js';
import { MemoryControlPlane } from './memory-control-plane.js';

const keyOf = ({ session_id, turn_id, epoch }: SessionTurnGrant) => ({ session_id, turn_id, epoch });
const beatOf = (grant: SessionTurnGrant) => ({ ...keyOf(grant), status: 'starting' as const });
const QUESTION = {
  tool_call: { toolCallId: 'call' },
  options: [{ option_id: 'y', name: 'Yes', kind: 'allow_once' as const }],
};
const registration = { replica_id: 'r', pools: ['default'], labels: [], capacity: 4 };

describe('HttpControlPlane', () => {
  let memory: MemoryControlPlane;
  let server: ControlPlaneServer;
  let plane: HttpControlPlane;
  let logged: string[];
  let following: AbortController;

  beforeEach(async () => {
    memory = new MemoryControlPlane();
    server = await ControlPlaneServer.start(memory);
    logged = [];
    following = new AbortController();
    const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line).msg) });
    plane = new HttpControlPlane(`${server.url}/`, 'hf_runner_x_y', new Contact(server.url, log));
  });

  afterEach(async () => {
    following.abort();
    await server.close();
  });

  /** A turn that this runner was granted. */
  const claimed = async () => {
    memory.invoke('');
    const [grant] = await plane.claim({ replica_id: 'r', capacity: 1, wait_seconds: 1 }, following.signal);
    return grant!;
  };
  const eventOf = ({ turn_id }: { turn_id: string }) => JSON.stringify({ type: 'agent.update', turn_id, data: {} });
  const credentialsSent = () => server.received.map(({ headers }) => headers.authorization);

  it("appends as the one producer of the log, under its epoch, with the turn's credential", async () => {
    const grant = await claimed();
    const events = [eventOf(grant), eventOf(grant)];
    await plane.appendEvents(grant.log_path, grant.epoch, 0, events);

    expect(server.received.at(-1)).toMatchObject({
      method: 'POST',
      path: grant.log_path,
      body: `[${events.join(',')}]`,
      headers: {
        authorization: `Bearer ${grant.credential}`,
        'content-type': 'application/json',
        'producer-id': 'runner',
        'producer-epoch': '1',
        'producer-seq': '0',
      },
    });
  });

  it('A4: gets and keeps turns with its key, and writes for each with the credential of that turn only', async () => {
    const [one, other] = [await claimed(), await claimed()];
    await plane.register(registration);
    await plane.heartbeat({ replica_id: 'r', turns: [beatOf(one), beatOf(other)] }, following.signal);
    const question = { ...keyOf(other), token: 't', kind: 'user_approval' as const, request: QUESTION };
    const { interaction_id } = await plane.raiseInteraction(question);
    memory.answer(other, interaction_id, 'allow');
    await plane.resolveInteraction(interaction_id, keyOf(other));
    await plane.handOver(keyOf(other), 'drain');
    await plane.complete({ ...keyOf(one), status: 'completed' });

    const [key, ofOne, ofOther] = ['hf_runner_x_y', one.credential, other.credential].map((text) => `Bearer ${text}`);
    expect(credentialsSent()).toEqual([key, key, key, key, ofOther, ofOther, ofOther, ofOne]);
  });

  it('A5: takes up a new credential from the answer to a beat, also for what was begun before', async () => {
    const grant = await claimed();
    const renewed = memory.renew(grant);
    const append = () => plane.appendEvents(grant.log_path, grant.epoch, 0, [eventOf(grant)]);
    await append();
    await plane.heartbeat({ replica_id: 'r', turns: [beatOf(grant)] }, following.signal);
    await append();
    expect(credentialsSent().filter((text) => text?.includes('hf_turn_'))).toEqual([
      `Bearer ${grant.credential}`,
      `Bearer ${renewed}`,
    ]);
  });

  it('A5: says so when it has no credential for a turn, and sends nothing', async () => {
    const grant = memory.invoke('');
    const missing = { name: 'ControlPlaneRefusal', code: 'turn_credential_missing' };
    await expect(plane.appendEvents(grant.log_path, grant.epoch, 0, ['{}'])).rejects.toMatchObject(missing);
    await expect(plane.complete({ ...keyOf(grant), status: 'completed' })).rejects.toMatchObject(missing);
    expect(server.received).toEqual([]);
  });

  it('forgets the credential of a turn that is over or that it hosts no longer', async () => {
    const [ended, dropped] = [await claimed(), await claimed()];
    await plane.complete({ ...keyOf(ended), status: 'completed' });
    await plane.heartbeat({ replica_id: 'r', turns: [beatOf(dropped)] }, following.signal);
    await plane.heartbeat({ replica_id: 'r', turns: [] }, following.signal);
    for (const grant of [ended, dropped]) {
      await expect(plane.complete({ ...keyOf(grant), status: 'completed' })).rejects.toMatchObject({
        code: 'turn_credential_missing',
      });
    }
  });

  it('tells a moved epoch, a refusal and an api that cannot answer now apart', async () => {
    const grant = await claimed();
    const append = (seq: number) => plane.appendEvents(grant.log_path, grant.epoch, seq, [eventOf(grant)]);

    await expect(append(5)).rejects.toMatchObject({ name: 'ControlPlaneRefusal', code: 'producer_sequence_gap' });
    memory.fence(grant);
    await expect(append(0)).rejects.toBeInstanceOf(StaleEpoch);
    await expect(plane.complete({ ...grant, status: 'completed' })).rejects.toBeInstanceOf(StaleEpoch);

    server.intercept = (_, response) => {
      response.writeHead(429, { 'retry-after': '3' }).end('{}');
      return true;
    };
    await expect(append(0)).rejects.toMatchObject({ name: 'ControlPlaneUnavailable', retryAfterMs: 3_000 });
    server.intercept = (_, response) => {
      response.writeHead(502).end('<html>');
      return true;
    };
    await expect(append(0)).rejects.toBeInstanceOf(ControlPlaneUnavailable);
    server.intercept = (_, response) => {
      response.writeHead(401).end('{"status":401,"code":"credential_invalid","detail":"no such key"}');
      return true;
    };
    await expect(plane.register(registration)).rejects.toEqual(
      new ControlPlaneRefusal(401, 'credential_invalid', 'no such key'),
    );
  });

  it('registers again when the api has forgotten its replica, and goes on with what it asked for', async () => {
    await plane.register(registration);
    const forget = (path: string) => {
      server.intercept = (request, response) => {
        if (request.path.endsWith('/register')) server.intercept = () => false;
        if (!request.path.endsWith(path)) return false;
        response.writeHead(409).end('{"status":409,"code":"replica_unknown","detail":"no such replica"}');
        return true;
      };
    };
    forget('/claim');
    const grant = await claimed();
    forget('/heartbeat');
    const { turns } = await plane.heartbeat({ replica_id: 'r', turns: [beatOf(grant)] }, following.signal);
    expect(turns).toMatchObject([{ is_current: true }]);
    expect(memory.registrations).toEqual([registration, registration, registration]);
  });

  it('says that its replica is unknown when that is so after it has registered again', async () => {
    await plane.register(registration);
    server.intercept = ({ path }, response) => {
      if (!path.endsWith('/heartbeat')) return false;
      response.writeHead(409).end('{"status":409,"code":"replica_unknown","detail":"no such replica"}');
      return true;
    };
    const beat = plane.heartbeat({ replica_id: 'r', turns: [] }, following.signal);
    await expect(beat).rejects.toMatchObject({ code: 'replica_unknown' });
    expect(memory.registrations).toHaveLength(2);
  });

  it('follows the control log from its start when that is another one since its replica was forgotten', async () => {
    const grant = memory.invoke('');
    memory.cancel(grant, 'first');
    server.intercept = ({ path }, response) => {
      const isKnown = /[?&]offset=(-1|\d)\b/.test(path) || !path.startsWith('/control');
      if (isKnown) return false;
      response.writeHead(410).end('{"status":410,"code":"offset_gone","detail":"It is of an earlier log."}');
      return true;
    };
    const followed = plane.followControl('/control', '17', following.signal)[Symbol.asyncIterator]();
    expect((await followed.next()).value).toMatchObject({ command: { command_id: 'first' } });
    expect(logged).toEqual([]);
  });

  it('says once that contact is lost and once that it is back', async () => {
    const { port } = server;
    await server.close();
    for (let n = 0; n < 3; n += 1) {
      await expect(plane.register(registration)).rejects.toBeInstanceOf(ControlPlaneUnavailable);
    }
    await server.listen(port);
    await plane.register(registration);
    await plane.register(registration);

    expect(logged).toEqual(['contact with the api is lost; trying until it is back', 'contact with the api is back']);
  });

  it('gives up a call at the deadline of its caller', async () => {
    server.intercept = () => true;
    const beat = plane.heartbeat({ replica_id: 'r', turns: [] }, AbortSignal.timeout(50));
    await expect(beat).rejects.toBeInstanceOf(ControlPlaneUnavailable);
    expect(logged).toEqual(['contact with the api is lost; trying until it is back']);
  });

  it('ends a claim when the runner stops, without taking it for a lost api', async () => {
    const stopping = new AbortController();
    const claim = plane.claim({ replica_id: 'r', capacity: 1, wait_seconds: 20 }, stopping.signal);
    while (server.received.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stopping.abort();
    await expect(claim).rejects.toBeInstanceOf(ControlPlaneUnavailable);
    expect(logged).toEqual([]);
  });

  it('follows the control log across connections that break, each command once and in order', async () => {
    const grant = memory.invoke('');
    const seen: string[] = [];
    memory.cancel(grant, 'c0');
    const followed = (async () => {
      for await (const { command } of plane.followControl('/control', '-1', following.signal)) {
        seen.push(command.command_id);
        if (seen.length === 6) return;
      }
    })();

    for (let n = 1; n < 6; n += 1) {
      while (seen.length < n) await new Promise((resolve) => setImmediate(resolve));
      if (n % 2 === 0) server.dropConnections();
      memory.cancel(grant, `c${n}`);
    }
    await followed;

    expect(seen).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5']);
  });

  it('follows again when the api was away', async () => {
    const grant = memory.invoke('');
    const { port } = server;
    const first = plane.followControl('/control', '-1', following.signal)[Symbol.asyncIterator]();
    memory.cancel(grant, 'before');
    expect((await first.next()).value).toMatchObject({ command: { command_id: 'before' } });

    await server.close();
    memory.cancel(grant, 'meanwhile');
    const next = first.next();
    await server.listen(port);

    expect((await next).value).toMatchObject({ command: { command_id: 'meanwhile' } });
  });

  it('follows on where it was when the api refused it for a while', async () => {
    const grant = memory.invoke('');
    const followed = plane.followControl('/control', '-1', following.signal)[Symbol.asyncIterator]();
    memory.cancel(grant, 'before');
    await followed.next();

    let refusals = 0;
    server.intercept = (_, response) => {
      if (refusals === 2) return false;
      refusals += 1;
      response.writeHead(404).end('{"status":404,"code":"stream_not_found","detail":"no such log"}');
      return true;
    };
    server.dropConnections();
    memory.cancel(grant, 'after');

    expect((await followed.next()).value).toMatchObject({ command: { command_id: 'after' } });
    expect(refusals).toBe(2);
    expect(logged).toEqual(['contact with the api is lost; trying until it is back', 'contact with the api is back']);
  });
});

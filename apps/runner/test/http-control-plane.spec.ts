import { pino } from 'pino';
import { Contact } from '../src/contact.js';
import { ControlPlaneRefusal, ControlPlaneUnavailable, StaleEpoch, type ControlCommand } from '../src/control-plane.js';
import { HttpControlPlane } from '../src/http-control-plane.js';
import { ControlPlaneServer } from './control-plane-server.js';
import { MemoryControlPlane } from './memory-control-plane.js';

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

  it('appends as the one producer of the log, under its epoch, with the runner key', async () => {
    const grant = memory.invoke('');
    const events = ['{"type":"agent.update","data":{}}', '{"type":"agent.notice","data":{}}'];
    await plane.appendEvents(grant.log_path, grant.epoch, 0, events);

    expect(server.received[0]).toMatchObject({
      method: 'POST',
      path: grant.log_path,
      body: `[${events.join(',')}]`,
      headers: {
        authorization: 'Bearer hf_runner_x_y',
        'content-type': 'application/json',
        'producer-id': 'runner',
        'producer-epoch': '1',
        'producer-seq': '0',
      },
    });
  });

  it('tells a moved epoch, a refusal and an api that cannot answer now apart', async () => {
    const grant = memory.invoke('');
    const append = (seq: number) => plane.appendEvents(grant.log_path, grant.epoch, seq, ['{}']);

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
    await expect(plane.register({ replica_id: 'r', pools: [] })).rejects.toEqual(
      new ControlPlaneRefusal(401, 'credential_invalid', 'no such key'),
    );
  });

  it('says once that contact is lost and once that it is back', async () => {
    const { port } = server;
    await server.close();
    for (let n = 0; n < 3; n += 1) {
      await expect(plane.register({ replica_id: 'r', pools: [] })).rejects.toBeInstanceOf(ControlPlaneUnavailable);
    }
    await server.listen(port);
    await plane.register({ replica_id: 'r', pools: [] });
    await plane.register({ replica_id: 'r', pools: [] });

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
      for await (const command of plane.followControl('/control', '-1', following.signal)) {
        seen.push((command as ControlCommand).command_id);
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
    expect((await first.next()).value).toMatchObject({ command_id: 'before' });

    await server.close();
    memory.cancel(grant, 'meanwhile');
    const next = first.next();
    await server.listen(port);

    expect((await next).value).toMatchObject({ command_id: 'meanwhile' });
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

    expect((await followed.next()).value).toMatchObject({ command_id: 'after' });
    expect(refusals).toBe(2);
    expect(logged).toEqual(['contact with the api is lost; trying until it is back', 'contact with the api is back']);
  });
});

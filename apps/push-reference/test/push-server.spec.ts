import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { createPushServer } from '../src/push-server.js';
import type { PushRequest } from '../src/push-request.js';
import { Signatures } from '../src/signatures.js';

const golden = JSON.parse(
  readFileSync(path.resolve(__dirname, '../../../docs/reference/push-target.example.json'), 'utf8'),
) as {
  request: { headers: Record<string, string>; body: PushRequest };
  frames: Record<'accepted' | 'error', { type: string; code?: string; message?: string }>;
};
const { request } = golden;

const servers: Server[] = [];
const listen = async (server: Server) => {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

describe('the reference service', () => {
  /** The service, with what it was given to run. */
  async function start(isFromHoldfast = true) {
    const runs: PushRequest[] = [];
    let end = () => undefined as void;
    const ended = new Promise<void>((settle) => (end = settle));
    const url = await listen(
      createPushServer({
        isFromHoldfast: async () => isFromHoldfast,
        run: (push) => {
          runs.push(push);
          return ended;
        },
      }),
    );
    const post = async (body: unknown = request.body) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: request.headers,
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      const lines = (await response.text()).split('\n').filter(Boolean);
      return { status: response.status, frames: lines.map((line) => JSON.parse(line) as { type: string }) };
    };
    return { post, runs, end };
  }

  it('accepts the golden request with the golden frame, ends the answer, and runs on', async () => {
    const { post, runs, end } = await start();
    expect(await post()).toEqual({ status: 200, frames: [golden.frames.accepted] });
    expect(runs).toEqual([request.body]);
    end();
  });

  it('accepts an attempt again without starting it twice', async () => {
    const { post, runs, end } = await start();
    for (let call = 0; call < 3; call += 1) expect((await post()).frames).toEqual([golden.frames.accepted]);
    expect(runs).toHaveLength(1);
    await post({ ...request.body, epoch: request.body.epoch + 1 });
    expect(runs).toHaveLength(2);
    end();
  });

  it('takes fields that it does not know for additions', async () => {
    const { post, runs, end } = await start();
    expect((await post({ ...request.body, mood: 'good' })).frames).toEqual([golden.frames.accepted]);
    expect(runs).toHaveLength(1);
    end();
  });

  it.each<[string, unknown]>([
    ['of another version', { ...request.body, schema: 'holdfast.push.v2' }],
    ['that is no JSON', '{'],
    ['that is null', 'null'],
  ])('answers an error frame of the golden form to a request %s', async (_, body) => {
    const { post, runs } = await start();
    const { frames } = await post(body);
    expect(frames).toEqual([{ ...golden.frames.error, code: 'schema', message: expect.any(String) }]);
    expect(runs).toEqual([]);
  });

  it('runs nothing for a stranger', async () => {
    const { post, runs } = await start(false);
    expect((await post()).status).toBe(401);
    expect(runs).toEqual([]);
  });
});

describe('the signature of a call', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const body = Buffer.from(JSON.stringify(request.body));

  async function start() {
    const jwk = { ...publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'EdDSA' };
    return new Signatures(await listen(createServer((_, response) => response.end(JSON.stringify({ keys: [jwk] })))));
  }
  const headers = (timestamp = Math.floor(Date.now() / 1000)) => {
    const id = request.headers['webhook-id'];
    const signature = sign(null, Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]), privateKey);
    return {
      ...request.headers,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1a,${signature.toString('base64')}`,
    };
  };

  it('is right when the api has made it, also beside those of other keys', async () => {
    const signatures = await start();
    const signed = headers();
    expect(await signatures.areRight({ headers: signed, body })).toBe(true);
    const among = { ...signed, 'webhook-signature': `v1,x v1a,eA== ${signed['webhook-signature']}` };
    expect(await signatures.areRight({ headers: among, body })).toBe(true);
  });

  it.each<[string, object]>([
    ['another body', { body: Buffer.from('{}') }],
    ['another id', { headers: { ...headers(), 'webhook-id': 'x' } }],
    ['a time long ago', { headers: headers(Math.floor(Date.now() / 1000) - 3_600) }],
    ['no signature', { headers: { ...headers(), 'webhook-signature': undefined } }],
    ['no headers', { headers: {} }],
    [
      'another scheme',
      { headers: { ...headers(), 'webhook-signature': headers()['webhook-signature'].replace('v1a', 'v1') } },
    ],
  ])('is wrong with %s', async (_, change) => {
    const signatures = await start();
    expect(await signatures.areRight({ headers: headers(), body, ...change })).toBe(false);
  });
});

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Principal, SessionAccess } from '@holdfast/platform-auth';
import { isDomainError } from '@holdfast/platform-errors';
import { statusOf } from '@holdfast/platform-http';
import type { SaveNativeFlow } from '@holdfast/sessions';
import type { NativeContent, NativeDownload } from '@holdfast/sessions-transcripts';
import { NativeBodies } from '../src/native/native-bodies.js';

const principalOf = (project_id: string): Principal => {
  return { project_id, key_id: 'k', kind: 'user', permissions: ['RUN_SESSIONS'] };
};

/** A download that goes on until its reader leaves. */
async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield Buffer.alloc(1024 * 1024);
}

/** Who reaches what is not for here. */
const everything = { require: async () => undefined, filter: () => () => 'true' } as unknown as SessionAccess;

describe('downloads', () => {
  let server: Server;
  let url: string;

  beforeAll(async () => {
    const content = {
      open: async (): Promise<NativeDownload> => {
        return { type: 'application/x-tar', bytes: undefined, version: 1, name: 'x.tar', pieces: endless() };
      },
    };
    const bodies = new NativeBodies({} as SaveNativeFlow, content as unknown as NativeContent, everything);
    server = createServer((raw, response) => {
      const principal = principalOf(raw.url!.slice(1));
      const request = { raw, method: 'GET', path: '/', search: 'as=tar&session_id=s', principal };
      bodies.read(request, response).catch((error: unknown) => {
        if (!isDomainError(error)) throw error;
        response.writeHead(statusOf(error)).end(error.code);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const open = (project: string) =>
    new Promise<IncomingMessage>((resolve, reject) => get(url + project, resolve).on('error', reject));
  const statusesOf = (readers: IncomingMessage[]) => [...new Set(readers.map(({ statusCode }) => statusCode))];

  it('N16: are 32 of a project and 128 of all at a time, and one that ends makes room', async () => {
    const readers: IncomingMessage[] = [];
    for (const project of ['p1', 'p2', 'p3', 'p4']) {
      const own = await Promise.all(Array.from({ length: 32 }, () => open(project)));
      expect(statusesOf(own)).toEqual([200]);
      readers.push(...own);
      if (project === 'p4') break;
      const refused = await open(project);
      expect(refused.statusCode).toBe(429);
      refused.resume();
    }
    const refused = await open('p5');
    expect(refused.statusCode).toBe(429);
    refused.resume();
    readers[0]!.destroy();
    let next = await open('p5');
    for (; next.statusCode !== 200; next = await open('p5')) next.resume();
    for (const reader of [...readers, next]) reader.destroy();
  }, 60_000);
});

describe('envelopes that come in', () => {
  it('are two of a project and four of all at a time: each is in memory as a whole', async () => {
    let letGo = () => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const flow = { setEnvelope: () => held.then(() => ({ version: 1 })) };
    const bodies = new NativeBodies(flow as unknown as SaveNativeFlow, {} as NativeContent, everything);
    const server = createServer((raw, response) => {
      const search = 'session_id=s&format=native';
      const principal = principalOf(raw.url!.slice(1));
      bodies
        .setEnvelope({ raw, method: 'PUT', path: '/', search, principal }, response)
        .catch((error: unknown) => response.writeHead(isDomainError(error) ? statusOf(error) : 500).end());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const put = async (project: string) =>
      (await fetch(`http://127.0.0.1:${port}/${project}`, { method: 'PUT', body: '{}' })).status;

    const ofOne = await firstOf([put('p1'), put('p1'), put('p1')]);
    expect(ofOne.status).toBe(429);
    const ofAll = await firstOf([put('p2'), put('p2'), put('p3')]);
    expect(ofAll.status).toBe(429);
    letGo();
    expect([...(await Promise.all(ofOne.others)), ...(await Promise.all(ofAll.others))]).toEqual([200, 200, 200, 200]);
    expect(await put('p3')).toBe(200);
    server.closeAllConnections();
    server.close();
  });

  it.each([10, 64 * 1024 * 1024])(
    'of %d bytes whose sender is gone before they are read take no place',
    async (size) => {
      const bodies = new NativeBodies({} as SaveNativeFlow, {} as NativeContent, everything);
      let judge: (outcome: Promise<void>) => void;
      const server = createServer((raw, response) => {
        const request = { raw, method: 'PUT', path: '/', search: 'session_id=s&format=native' };
        raw.once('close', () => judge(bodies.setEnvelope({ ...request, principal: principalOf('p') }, response)));
        raw.destroy();
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      for (let sender = 0; sender < 3; sender++) {
        const outcome = new Promise<void>((resolve) => (judge = resolve));
        const sending = connect(port, '127.0.0.1').on('error', () => undefined);
        sending.write(`PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: ${size}\r\n\r\n`);
        await expect(outcome).rejects.not.toMatchObject({ code: 'too_many_bodies' });
        sending.destroy();
      }
      server.close();
    },
  );

  /** The only one that is answered while all others wait. */
  async function firstOf(answers: Promise<number>[]) {
    const [at, status] = await Promise.race(answers.map(async (answer, index) => [index, await answer] as const));
    return { status, others: answers.filter((_, index) => index !== at) };
  }
});

describe('parts that come in', () => {
  it('are refused while 256 MiB of them are on their way into the store', async () => {
    const letGo: (() => void)[] = [];
    let isOnItsWay: () => void;
    const append = () =>
      new Promise((resolve) => {
        letGo.push(() => resolve({}));
        isOnItsWay();
      });
    const bodies = new NativeBodies({ append } as unknown as SaveNativeFlow, {} as NativeContent, everything);
    const zeros = '0'.repeat(64);
    const search = `name=main.jsonl&mode=lines&from_line=1&lines=1&digest=${zeros}&sha256=${zeros}`;
    const path = `/saves/${randomUUID()}/parts`;
    const server = createServer((raw, response) => {
      bodies
        .append({ raw, method: 'PUT', path, search, principal: principalOf('p') }, response)
        .catch((error: unknown) => response.writeHead(isDomainError(error) ? statusOf(error) : 500).end());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const body = new Uint8Array(16 * 1024 * 1024);
    const put = async (content: Uint8Array<ArrayBuffer>) =>
      (await fetch(`http://127.0.0.1:${port}/`, { method: 'PUT', body: content })).status;

    const held: Promise<number>[] = [];
    for (let part = 0; part < 17; part++) {
      const onItsWay = new Promise<void>((resolve) => (isOnItsWay = resolve));
      held.push(put(body));
      await onItsWay;
    }
    expect(await put(new Uint8Array(1))).toBe(429);
    for (const go of letGo) go();
    expect(new Set(await Promise.all(held))).toEqual(new Set([200]));
    const last = put(new Uint8Array(1));
    isOnItsWay = () => letGo.at(-1)!();
    expect(await last).toBe(200);
    server.closeAllConnections();
    server.close();
  }, 60_000);
});

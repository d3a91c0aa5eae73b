import { randomUUID } from 'node:crypto';
import { startStack, type Stack } from './stack.js';

const WRITERS = 3;
const MESSAGES = 600;
/** So many of each writer's are acknowledged before something is killed. */
const BEFORE = 30;

describe('kill -9 under a load of appends', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ runner: false });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  const request = (path: string, init: { method?: string; headers?: Record<string, string>; body?: string } = {}) =>
    fetch(`${stack.url}/v1/stream/${path}`, {
      ...init,
      headers: {
        authorization: `Bearer ${stack.keys.api_key}`,
        'content-type': 'application/json',
        ...init.headers,
      },
    });
  const create = async (): Promise<string> => {
    const path = `crash/${randomUUID()}`;
    expect((await request(path, { method: 'PUT' })).status).toBe(201);
    return path;
  };
  const read = async (path: string) => (await (await request(path)).json()) as number[];

  let failures = 0;
  /** Sends one append; whether it was acknowledged. Without an answer, or with one of 5xx, nobody knows. */
  const append = async (path: string, body: string, headers: Record<string, string> = {}): Promise<boolean> => {
    const response = await request(path, { method: 'POST', body, headers }).catch(() => undefined);
    if (response && response.status < 500) expect([200, 204]).toContain(response.status);
    const isAcknowledged = response !== undefined && response.ok;
    if (!isAcknowledged) failures += 1;
    return isAcknowledged;
  };

  /** Appends pairs, two messages each, until `MESSAGES` are acknowledged; calls `onAck` with how many are. */
  async function writeAsProducer(path: string, onAck: (count: number) => void): Promise<void> {
    for (let seq = 0; seq < MESSAGES / 2;) {
      const body = JSON.stringify([seq * 2, seq * 2 + 1]);
      const producer = { 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': String(seq) };
      if (await append(path, body, producer)) onAck((seq += 1) * 2);
    }
  }

  /** The same, but what is not acknowledged is not sent again. */
  async function writePlainly(path: string, onAck: (count: number) => void): Promise<{ acknowledged: number[] }> {
    const acknowledged: number[] = [];
    for (let n = 0; acknowledged.length < MESSAGES; n += 2) {
      if (await append(path, JSON.stringify([n, n + 1]))) onAck(acknowledged.push(n, n + 1));
    }
    return { acknowledged };
  }

  it.each([
    [
      'the api',
      async () => {
        await stack.api.kill();
        await stack.api.start();
      },
    ],
    ['PostgreSQL', () => stack.crashPostgres()],
  ])(
    'of %s: what is acknowledged is there, what is not is there whole or not at all, and a retry never doubles',
    async (_, crash) => {
      const streams = await Promise.all(Array.from({ length: WRITERS * 2 }, create));
      const [idempotent, plain] = [streams.slice(0, WRITERS), streams.slice(WRITERS)];
      failures = 0;
      let ready = 0;
      let allReady!: () => void;
      const underLoad = new Promise<void>((resolve) => (allReady = resolve));
      const onAck = (count: number) => {
        if (count === BEFORE && ++ready === streams.length) allReady();
      };
      const producers = idempotent.map((path) => writeAsProducer(path, onAck));
      const writers = plain.map((path) => writePlainly(path, onAck));
      await underLoad;
      await crash();
      await Promise.all(producers);
      const written = await Promise.all(writers);
      // Or it was not killed under load.
      expect(failures).toBeGreaterThan(0);

      const all = Array.from({ length: MESSAGES }, (_, n) => n);
      for (const path of idempotent) expect(await read(path)).toEqual(all);
      for (const [index, path] of plain.entries()) {
        const seen = await read(path);
        const { acknowledged } = written[index]!;
        expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
        expect(seen).toEqual(expect.arrayContaining(acknowledged));
        // Pairs are whole.
        expect(seen.filter((n) => n % 2 === 0).map((n) => n + 1)).toEqual(seen.filter((n) => n % 2 === 1));
      }
    },
    60_000,
  );
});

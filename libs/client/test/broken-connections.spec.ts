import { createServer, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { HoldfastClient } from '../src/index.js';

const offset = (position: number) => `${'0'.repeat(16)}_${String(position).padStart(16, '0')}`;
const message = (name: string) => ({
  type: 'agent.update',
  at: '2026-01-01T00:00:00.000Z',
  turn_id: null,
  data: { name },
});
const data = (...names: string[]) => `event: data\ndata: ${JSON.stringify(names.map(message))}\n\n`;
const control = (position: number) =>
  `event: control\ndata: ${JSON.stringify({ streamNextOffset: offset(position), upToDate: true })}\n\n`;

/** What one connection sends, and how it ends. */
type Script = (response: ServerResponse) => void;

describe('a connection that breaks at the worst moment', () => {
  let server: Server;
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  /** Plays one script for each connection, then only the last; gives the names seen until `last`, and the offsets asked for. */
  const follow = async (scripts: Script[], last: string) => {
    const asked: (string | null)[] = [];
    server = createServer((request, response) => {
      asked.push(new URL(request.url ?? '', 'http://x').searchParams.get('offset'));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      scripts[Math.min(asked.length, scripts.length) - 1]?.(response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = new HoldfastClient({ url, apiKey: 'none' });
    const seen: string[] = [];
    for await (const { event } of client.followSession('s', { signal: AbortSignal.timeout(10_000) })) {
      seen.push(event.data['name'] as string);
      if (seen.at(-1) === last) break;
    }
    return { seen, asked };
  };

  it('reads events again whose offset it was not told', async () => {
    const { seen, asked } = await follow(
      [
        (response) => response.end(data('a') + control(1) + data('b')),
        (response) => response.write(data('b', 'c') + control(3)),
      ],
      'c',
    );
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(asked).toEqual(['-1', offset(1)]);
  });

  it('starts over when the very first offset was cut off', async () => {
    const { seen, asked } = await follow(
      [(response) => response.end(data('a')), (response) => response.write(data('a') + control(1))],
      'a',
    );
    expect(seen).toEqual(['a']);
    expect(asked).toEqual(['-1', '-1']);
  });

  it('drops half a message', async () => {
    const { seen, asked } = await follow(
      [
        (response) => response.end(data('a') + control(1) + data('b').slice(0, -9)),
        (response) => response.write(data('b') + control(2)),
      ],
      'b',
    );
    expect(seen).toEqual(['a', 'b']);
    expect(asked).toEqual(['-1', offset(1)]);
  });

  it('survives a reset', async () => {
    const { seen } = await follow(
      [
        (response) => response.write(data('a') + control(1), () => response.destroy()),
        (response) => response.write(data('b') + control(2)),
      ],
      'b',
    );
    expect(seen).toEqual(['a', 'b']);
  });

  it('keeps following when the server ends every connection at once', async () => {
    const once =
      (name: string, position: number): Script =>
      (response) =>
        response.end(data(name) + control(position));
    const { seen } = await follow([once('a', 1), once('b', 2), once('c', 3), once('d', 4), once('e', 5)], 'e');
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('leaves a connection that is silent for longer than the server ever is', async () => {
    const realTimers = [
      'Date',
      'nextTick',
      'setImmediate',
      'clearImmediate',
      'queueMicrotask',
      'performance',
      'hrtime',
    ] as const;
    jest.useFakeTimers({ doNotFake: [...realTimers, 'setInterval', 'clearInterval'] });
    try {
      let isDone = false;
      const following = follow(
        [(response) => response.write(data('a') + control(1)), (response) => response.write(data('b') + control(2))],
        'b',
      ).finally(() => (isDone = true));
      for (let second = 0; second < 100 && !isDone; second++) {
        jest.advanceTimersByTime(1_000);
        for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
      }
      expect(await following).toEqual({ seen: ['a', 'b'], asked: ['-1', offset(1)] });
    } finally {
      jest.useRealTimers();
    }
  });
});

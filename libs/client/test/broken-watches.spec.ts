import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HoldfastClient, type WatchedSession, type WatchOptions } from '../src/index.js';

const offset = (position: number) => `${'0'.repeat(16)}_${String(position).padStart(16, '0')}`;
const message = (name: string) => ({
  type: 'agent.update',
  at: '2026-01-01T00:00:00.000Z',
  turn_id: null,
  data: { name },
});
const data = (session_id: string, position: number, ...names: string[]) => {
  const news = { session_id, next_offset: offset(position), up_to_date: true, events: names.map(message) };
  return `event: data\ndata: ${JSON.stringify(news)}\n\n`;
};
const problem = (session_id: string, code: string) =>
  `event: problem\ndata: ${JSON.stringify({ session_id, problem: { code, status: 410, title: code, detail: 'No.' } })}\n\n`;

/** What one connection sends, and how it ends. */
type Script = (response: ServerResponse) => void;

const SESSIONS: WatchedSession[] = [{ session_id: 'x' }, { session_id: 'y' }];

describe('a watch whose connection breaks at the worst moment', () => {
  let server: Server;
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  /** Plays one script for each connection, then only the last. `asked` gets the offsets of each request. */
  const play = async (...scripts: Script[]) => {
    const asked: Record<string, string>[] = [];
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { sessions } = JSON.parse(Buffer.concat(chunks).toString()) as { sessions: Required<WatchedSession>[] };
      asked.push(Object.fromEntries(sessions.map(({ session_id, offset }) => [session_id, offset])));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      scripts[Math.min(asked.length, scripts.length) - 1]!(response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { client: new HoldfastClient({ url, apiKey: 'none' }), asked };
  };

  /** The names seen, as `session name`, up to `last`; `seen` shows them as they come. */
  const watch = async (
    scripts: Script[],
    last: string,
    options: WatchOptions = {},
    sessions = SESSIONS,
    seen: string[] = [],
  ) => {
    const { client, asked } = await play(...scripts);
    const signal = AbortSignal.timeout(10_000);
    for await (const { session_id, event } of client.watchSessions(sessions, { signal, ...options })) {
      seen.push(`${session_id} ${String(event.data['name'])}`);
      if (seen.at(-1) === last) break;
    }
    return { seen, asked };
  };

  it('asks for each session where it is, and drops half an event', async () => {
    const { seen, asked } = await watch(
      [
        (response) => response.end(data('x', 2, 'a', 'b') + data('y', 1, 'c') + data('x', 3, 'd').slice(0, -1)),
        (response) => response.write(data('y', 1) + data('x', 3, 'd')),
      ],
      'x d',
    );
    expect(seen).toEqual(['x a', 'x b', 'y c', 'x d']);
    expect(asked).toEqual([
      { x: '-1', y: '-1' },
      { x: offset(2), y: offset(1) },
    ]);
  });

  it('knows where "now" was, though no event came', async () => {
    const { seen, asked } = await watch(
      [(response) => response.end(data('x', 7) + data('y', 8)), (response) => response.write(data('x', 8, 'a'))],
      'x a',
      {},
      SESSIONS.map(({ session_id }) => ({ session_id, offset: 'now' })),
    );
    expect(seen).toEqual(['x a']);
    expect(asked).toEqual([
      { x: 'now', y: 'now' },
      { x: offset(7), y: offset(8) },
    ]);
  });

  it('is not connected, and shows nothing, before it knows where "now" was of all sessions', async () => {
    const order: string[] = [];
    const answer = (name: string, text: string) => (response: ServerResponse) => {
      order.push(name);
      response.end(text);
    };
    const { seen, asked } = await watch(
      [
        answer('cut off', data('x', 3, 'a', 'b', 'c') + data('y', 7, 'early')),
        answer('whole', data('y', 7) + problem('z', 'offset_gone') + data('x', 3, 'a', 'b', 'c')),
        answer('next', data('y', 8, 'd')),
      ],
      'y d',
      { onConnection: ({ status }) => order.push(status), onProblem: () => undefined },
      [{ session_id: 'x' }, ...['y', 'z'].map((session_id) => ({ session_id, offset: 'now' }))],
    );
    expect(seen).toEqual(['x a', 'x b', 'x c', 'y d']);
    expect(asked).toEqual([
      { x: '-1', y: 'now', z: 'now' },
      { x: '-1', y: 'now', z: 'now' },
      { x: offset(3), y: offset(7) },
    ]);
    expect(order).toEqual(['cut off', 'whole', 'connected', 'next']);
  });

  it('survives a reset, an end without a word, and characters that arrive in pieces', async () => {
    const bytes = Buffer.from(data('y', 1, '→ ü'));
    const cut = bytes.indexOf(Buffer.from('→')) + 1;
    const { seen } = await watch(
      [
        (response) => response.end(),
        (response) => response.write(data('x', 1, 'a'), () => response.destroy()),
        (response) =>
          response.write(bytes.subarray(0, cut), () => setImmediate(() => response.write(bytes.subarray(cut)))),
      ],
      'y → ü',
    );
    expect(seen).toEqual(['x a', 'y → ü']);
  });

  it('takes comments and events that it does not know for signs of life', async () => {
    const unknown = `: keep-alive\n\nevent: weather\ndata: {"session_id":"x"}\n\n`;
    const { seen } = await watch([(response) => response.write(unknown + data('x', 1, 'a'))], 'x a');
    expect(seen).toEqual(['x a']);
  });

  it('asks no more for a session that has a problem, and ends when none is left', async () => {
    const problems: string[] = [];
    const onProblem: WatchOptions['onProblem'] = ({ session_id, error }) =>
      problems.push(`${session_id} ${error.code}`);
    const { seen, asked } = await watch(
      [
        (response) => response.end(problem('x', 'offset_gone') + data('y', 1, 'a')),
        (response) => response.write(problem('y', 'session_not_found')),
      ],
      'never',
      { onProblem },
    );
    expect(seen).toEqual(['y a']);
    expect(problems).toEqual(['x offset_gone', 'y session_not_found']);
    expect(asked).toEqual([{ x: '-1', y: '-1' }, { y: offset(1) }]);
  });

  it('throws a problem that nobody listens for', async () => {
    const { client } = await play((response) => response.write(problem('x', 'offset_gone')));
    await expect(client.watchSessions(SESSIONS).next()).rejects.toMatchObject({ status: 410, code: 'offset_gone' });
  });

  it('ends with its signal, in the middle of a batch too', async () => {
    const { client } = await play((response) => response.write(data('x', 3, 'a', 'b', 'c')));
    const leaving = new AbortController();
    const seen: unknown[] = [];
    for await (const { event } of client.watchSessions(SESSIONS, { signal: leaving.signal })) {
      seen.push(event.data['name']);
      if (seen.length === 2) leaving.abort();
    }
    expect(seen).toEqual(['a', 'b']);
  });

  it('refuses to watch a session twice', async () => {
    const { client } = await play((response) => response.end());
    await expect(client.watchSessions([...SESSIONS, { session_id: 'x' }]).next()).rejects.toThrow('named twice');
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
      const seen: string[] = [];
      const watching = watch(
        [(response) => response.write(data('x', 1, 'a')), (response) => response.write(data('x', 2, 'b'))],
        'x b',
        {},
        SESSIONS,
        seen,
      ).finally(() => (isDone = true));
      while (seen.length === 0) await new Promise(setImmediate);
      for (let second = 0; second < 100 && !isDone; second++) {
        jest.advanceTimersByTime(1_000);
        for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
      }
      expect(await watching).toEqual({
        seen: ['x a', 'x b'],
        asked: [
          { x: '-1', y: '-1' },
          { x: offset(1), y: '-1' },
        ],
      });
    } finally {
      jest.useRealTimers();
    }
  });
});

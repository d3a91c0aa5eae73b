import { HoldfastClient } from '../src/index.js';

/** As Node's fetch is now and then: once it has begun to answer, an abort ends neither the body nor the wait for it. */
const deafFetch: typeof fetch = async () =>
  new Response(new ReadableStream(), { headers: { 'content-type': 'text/event-stream' } });

describe('an abort that fetch does not hear', () => {
  const client = new HoldfastClient({ url: 'http://api.invalid', apiKey: 'none', fetch: deafFetch });
  const drain = async (events: AsyncIterable<unknown>) => {
    for await (const event of events) throw new Error(`nothing was sent, yet there is ${JSON.stringify(event)}`);
    return 'ended';
  };

  it.each([
    ['followSession', (signal: AbortSignal) => drain(client.followSession('s', { signal })), 'ended'],
    ['watchSessions', (signal: AbortSignal) => drain(client.watchSessions([{ session_id: 's' }], { signal })), 'ended'],
    [
      'attendTurn',
      (signal: AbortSignal) =>
        client.attendTurn({ session_id: 's', prompt: 'p' }, { signal }).catch((error: Error) => error.name),
      'AbortError',
    ],
  ])('ends %s', async (_, act, expected) => {
    const leaving = new AbortController();
    const end = act(leaving.signal);
    setImmediate(() => leaving.abort());
    expect(await end).toBe(expected);
  });
});

import { HoldfastClient } from '../src/index.js';

describe('where a client calls', () => {
  /** A client of the api at `url`, and where it has called. */
  function clientOf(url: string) {
    const called: string[] = [];
    const send: typeof fetch = async (input) => {
      called.push(String(input instanceof Request ? input.url : input));
      throw new TypeError('nobody is there');
    };
    return { client: new HoldfastClient({ url, apiKey: 'hf_user_x_y', fetch: send }), called };
  }

  const everyKind = (client: HoldfastClient) => [
    client.sessions.fetchSession({ session_id: 's' }),
    client.streams.fetchSessionLiveness({ session_id: 's' }),
    client.runners.beatSessionTurns({ SessionTurnBeats: { replica_id: 'r', turns: [] } }),
    client.appendEvents('/v1/stream/sessions/s/events', { epoch: 1, seq: 0, events: ['{}'] }),
    client.readSession('s', { offset: '-1' }).next(),
  ];

  it.each(['http://internal:4300', 'https://public.example/holdfast', 'https://public.example/holdfast/'])(
    'A9: is below %s, also with other clients in the process',
    async (url) => {
      const { client, called } = clientOf(url);
      const other = clientOf('http://other:1/below');
      await Promise.allSettled([...everyKind(client), ...everyKind(other.client)]);
      expect(called).toHaveLength(5);
      for (const at of called) expect(at).toMatch(new RegExp(`^${url.replace(/\/$/, '')}/v1/`));
      for (const at of other.called) expect(at).toMatch(/^http:\/\/other:1\/below\/v1\//);
    },
  );
});

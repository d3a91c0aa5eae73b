import { backends, JSON_TYPE, producer, streamsOn, type Sent } from './streams-fixture.js';

describe.each(backends)('refused, and nothing written, on %s:', (backend) => {
  const { call, expectRefusal, keys, stranger } = streamsOn(backend);

  const everyVerb: [string, string, Sent][] = [
    ['GET', '', {}],
    ['GET', '?offset=-1&live=sse', {}],
    ['GET', '?offset=-1&live=long-poll', {}],
    ['HEAD', '', {}],
    ['POST', '', { headers: JSON_TYPE, body: '[1]' }],
    ['POST', '', { headers: { 'stream-closed': 'true' } }],
    ['DELETE', '', {}],
  ];

  it.each(everyVerb)('%s %s of an unknown stream is 404', async (method, query, sent) => {
    await expectRefusal([method, `/v1/stream/nobody${query}`, sent], [404, 'stream_not_found']);
  });

  it.each(everyVerb)(
    "%s %s of another project's stream is 404, as if it were not there",
    async (method, query, sent) => {
      await expectRefusal([method, `/v1/stream/foreign${query}`, sent], [404, 'stream_not_found']);
      const theirs = await call('GET', '/v1/stream/foreign', { key: stranger().api_key });
      expect(theirs.body.toString()).toBe('[1]');
    },
  );

  it.each(everyVerb)('%s %s of a deleted stream that forks still read is 410', async (method, query, sent) => {
    await expectRefusal([method, `/v1/stream/hidden${query}`, sent], [410, 'stream_deleted']);
  });

  describe('on reserved paths', () => {
    const writes: [string, Sent][] = [
      ['PUT', { headers: JSON_TYPE }],
      ['PUT', { headers: { 'stream-forked-from': '/v1/stream/json' } }],
      ['DELETE', {}],
    ];
    const appends: [string, Sent][] = [['POST', { headers: JSON_TYPE, body: '[1]' }]];
    it.each(
      [
        'sessions',
        'sessions/s',
        'sessions/s/other',
        'sessions/s/events/more',
        'sessions%2Fs%2Fmine',
        '%73essions/s/mine',
        'runners/r',
        'runners/r/other',
      ].flatMap((path) => [...writes, ...appends].map(([method, sent]) => [method, path, sent] as const)),
    )('%s of /v1/stream/%s is for nobody', async (method, path, sent) => {
      await expectRefusal([method, `/v1/stream/${path}`, sent], [403, 'stream_reserved']);
    });

    it.each([
      ...['sessions/s/events', 'sessions%2Fs%2Fevents', '%73essions/%73/events', 'runners/r/control'].flatMap((path) =>
        writes.map(([method, sent]) => [method, path, sent] as const),
      ),
      ...appends.map(([method, sent]) => [method, 'runners/r/control', sent] as const),
    ])('%s of /v1/stream/%s is for the operations of sessions and runners only', async (method, path, sent) => {
      await expectRefusal([method, `/v1/stream/${path}`, sent], [403, 'stream_reserved']);
    });

    it.each(['sessions/s/events', 'sessions%2Fs%2Fevents'])(
      'POST of /v1/stream/%s is for runners only',
      async (path) => {
        const sent = { headers: { ...JSON_TYPE, ...producer(0, 0, 'runner') }, body: '[]' };
        await expectRefusal(['POST', `/v1/stream/${path}`, sent], [403, 'credential_kind']);
      },
    );

    it.each(['runners/r/control', '%72unners/r/control', 'runners%2Fr%2Fcontrol', 'runners/r/contro%6c'])(
      'GET of /v1/stream/%s is for its runner only',
      async (path) => {
        await expectRefusal(['GET', `/v1/stream/${path}`], [403, 'credential_kind']);
      },
    );

    it.each(['sessions', 'sessions/s/other', 'runners', 'runners/r'])(
      'GET of /v1/stream/%s finds nothing',
      async (path) => {
        await expectRefusal(['GET', `/v1/stream/${path}`], [404, 'stream_not_found']);
      },
    );
  });

  it.each([
    ['empty', ''],
    ['with an empty segment', 'a//b'],
    ['with a slash at its end', 'a/'],
    ['with a slash at its beginning', '/a'],
    ['"."', '.'],
    ['".."', 'a/../b'],
    ['an encoded ".."', 'a/%2e%2E/b'],
    ['with an encoded slash that leaves a segment empty', 'a%2F%2Fb'],
    ['with a NUL', 'a%00'],
    ['with a line break', 'a%0Ab'],
    ['not UTF-8', 'a%ff'],
    ['half a percent-encoding', 'a%2'],
    ['no percent-encoding', 'a%zz'],
    ['of 401 bytes', 'a'.repeat(401)],
    ['of 402 encoded bytes', '%C3%A4'.repeat(201)],
    ['that of operations on streams, encoded', '%5F%5Fds/x'],
  ])('a path that is %s', async (_, path) => {
    for (const [method, query, sent] of [...everyVerb, ['PUT', '', { headers: JSON_TYPE }] as const]) {
      await expectRefusal([method, `/v1/stream/${path}${query}`, sent], [400, 'stream_path_invalid']);
    }
  });

  it.each(['PATCH', 'PROPFIND', 'TRACE', 'LOCK'])(
    '%s, which streams do not serve, and is told what they do',
    async (method) => {
      const headers = { allow: expect.stringMatching(/PUT.*GET|GET.*PUT/) };
      await expectRefusal([method, '/v1/stream/json'], [405, 'method_not_allowed'], { headers });
    },
  );

  it.each<[string, string, string]>([
    ['without a key', '', 'unauthenticated'],
    ['with a key that does not exist', 'hf_user_0000000000000000_00', 'unauthenticated'],
  ])('%s', async (_, key, code) => {
    for (const [method, query, sent] of everyVerb) {
      await expectRefusal([method, `/v1/stream/json${query}`, { ...sent, key }], [401, code]);
    }
  });

  it("with a runner's key", async () => {
    for (const [method, query, sent] of everyVerb) {
      const answer = [403, 'credential_kind'] as [number, string];
      await expectRefusal([method, `/v1/stream/json${query}`, { ...sent, key: keys().runner_key }], answer);
    }
  });
});

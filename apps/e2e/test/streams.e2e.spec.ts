import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { eventually } from '@holdfast/testing';
import { startStack, type Stack } from './stack.js';

const backends = process.env['HOLDFAST_TEST_REDIS_URL'] ? ['PostgreSQL alone', 'Redis'] : ['PostgreSQL alone'];
const MIB = 1024 * 1024;
const MAX_VIEWERS = 3;

type Headers = Record<string, string>;

interface Sent {
  headers?: Headers;
  body?: string | Buffer;
  key?: string;
}

interface Received {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  problem?: Record<string, unknown>;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const TEXT_TYPE = { 'content-type': 'text/plain' };
const producer = (epoch: string | number, seq: string | number, id = 'w'): Headers => ({
  'producer-id': id,
  'producer-epoch': String(epoch),
  'producer-seq': String(seq),
});

describe.each(backends)('refused, and nothing written, on %s:', (backend) => {
  let stack: Stack;
  /** Keys of another project. */
  let stranger: { api_key: string; runner_key: string };
  beforeAll(async () => {
    const env = { MAX_VIEWERS: String(MAX_VIEWERS), LONG_POLL_SECONDS: '0.2', RATE_LIMIT_PER_MINUTE: '1000000' };
    stack = await startStack({ redis: backend === 'Redis', runner: false, env });
    stranger = await stack.anotherProject();
    await put('json', { headers: JSON_TYPE, body: '[1,2,3]' });
    await put('text', { headers: TEXT_TYPE, body: 'hello' });
    await put('closed', { headers: { ...JSON_TYPE, 'stream-closed': 'true' }, body: '[1]' });
    await put('produced', { headers: JSON_TYPE });
    await post('produced', { headers: { ...JSON_TYPE, ...producer(2, 0) }, body: '[1]' });
    await post('produced', { headers: { ...JSON_TYPE, ...producer(2, 1) }, body: '[2]' });
    await post('produced', { headers: { ...JSON_TYPE, 'stream-seq': 'm' }, body: '[3]' });
    await put('hidden', { headers: JSON_TYPE, body: '[1,2]' });
    await put('branch', { headers: { 'stream-forked-from': '/v1/stream/hidden' } });
    await call('DELETE', '/v1/stream/hidden');
    await put('again', { headers: JSON_TYPE, body: '[1,2,3]' });
    stale = String((await call('HEAD', '/v1/stream/again')).headers['stream-next-offset']);
    await call('DELETE', '/v1/stream/again');
    await put('again', { headers: JSON_TYPE, body: '[4]' });
    await call('PUT', '/v1/stream/foreign', { headers: JSON_TYPE, body: '[1]', key: stranger.api_key });
    await stack.client.sessions.createSession({ session_id: 's', SessionCreate: {} });
  }, 60_000);
  // Where one was made that should not have been, that is one failure, and not one of every other test.
  afterEach(() => call('DELETE', '/v1/stream/new'));
  afterAll(() => stack?.stop(), 30_000);

  /** An offset of a stream that another one has replaced. */
  let stale: string;

  /** As it is: nothing is normalized, nothing is added. */
  const open = (method: string, path: string, { headers = {}, key = stack.keys.api_key }: Sent = {}): ClientRequest => {
    const authorization: Headers = key ? { authorization: `Bearer ${key}` } : {};
    const { hostname, port } = new URL(stack.url);
    return httpRequest({ hostname, port, method, path, headers: { ...authorization, ...headers } });
  };

  const answerOf = async (request: ClientRequest): Promise<Received> => {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const isProblem = response.headers['content-type'] === 'application/problem+json' && body.length > 0;
    const problem = isProblem ? (JSON.parse(body.toString()) as Record<string, unknown>) : undefined;
    return { status: response.statusCode!, headers: response.headers, body, problem };
  };

  const call = (method: string, path: string, sent: Sent = {}): Promise<Received> => {
    const request = open(method, path, sent);
    request.end(sent.body);
    return answerOf(request);
  };
  const put = async (path: string, sent: Sent) =>
    expect((await call('PUT', `/v1/stream/${path}`, sent)).status).toBe(201);
  const post = async (path: string, sent: Sent) =>
    expect(Math.floor((await call('POST', `/v1/stream/${path}`, sent)).status / 100)).toBe(2);

  const PATHS = ['json', 'text', 'closed', 'produced', 'hidden', 'branch', 'again', 'new'];

  /** How far the streams are that requests here are about. */
  const everything = async () => {
    const heads = await Promise.all(PATHS.map((path) => call('HEAD', `/v1/stream/${path}`)));
    return heads.map(({ status, headers }) => [status, headers['stream-next-offset'], headers['stream-closed']]);
  };

  /** It is refused, says so as a problem with this status and code, and changes nothing. */
  const expectRefusal = async (
    [method, path, sent]: [string, string, Sent?],
    [status, code]: [number, string],
    more: { members?: object; headers?: object } = {},
  ) => {
    const before = await everything();
    const answer = await call(method, path, sent);
    const problem = { type: `urn:holdfast:problem:${code}`, code, status, ...more.members };
    if (method === 'HEAD') expect(answer.status).toBe(status);
    else expect(answer).toMatchObject({ status, problem, headers: more.headers ?? {} });
    expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff' });
    expect(await everything()).toEqual(before);
  };

  it.each([
    ['no number', 'abc'],
    ['negative', '-1'],
    ['with a sign', '+5'],
    ['with a leading zero', '05'],
    ['a fraction', '1.5'],
    ['in scientific notation', '1e3'],
    ['empty', ''],
    ['more than three centuries', '99999999999'],
  ])('Stream-TTL that is %s', async (_, ttl) => {
    const sent = { headers: { ...JSON_TYPE, 'stream-ttl': ttl } };
    await expectRefusal(['PUT', '/v1/stream/new', sent], [400, 'stream_create_invalid']);
  });

  it.each([
    ['no time', 'tomorrow'],
    ['a day', '2099-01-01'],
    ['without a zone', '2099-01-01T00:00:00'],
    ['of no month', '2099-13-01T00:00:00Z'],
    ['of no day', '2099-02-30T00:00:00Z'],
    ['empty', ''],
    ['a moment that is no text of a time', 'Thu, 01 Jan 2099 00:00:00 GMT'],
  ])('Stream-Expires-At that is %s', async (_, time) => {
    const sent = { headers: { ...JSON_TYPE, 'stream-expires-at': time } };
    await expectRefusal(['PUT', '/v1/stream/new', sent], [400, 'stream_create_invalid']);
  });

  it('both a TTL and a time to expire at', async () => {
    const headers = { ...JSON_TYPE, 'stream-ttl': '60', 'stream-expires-at': '2099-01-01T00:00:00Z' };
    await expectRefusal(['PUT', '/v1/stream/new', { headers }], [400, 'stream_create_invalid']);
  });

  it.each([
    '',
    ';',
    ';;;',
    'json',
    'application',
    'application/',
    '/json',
    'a b/c',
    'text/plain x',
    `text/${'x'.repeat(256)}`,
  ])('Content-Type "%s"', async (type) => {
    const sent = { headers: { 'content-type': type }, body: '[1]' };
    await expectRefusal(['PUT', '/v1/stream/new', sent], [400, 'stream_create_invalid']);
    await expectRefusal(['POST', '/v1/stream/json', sent], [400, 'append_malformed']);
  });

  describe('to make a fork', () => {
    const from = (path: string, rest: Headers = {}): Sent => ({ headers: { 'stream-forked-from': path, ...rest } });
    const fromJson = (rest: Headers) => from('/v1/stream/json', rest);

    it.each<[string, Sent, number, string]>([
      ['of a name that is no URL', from('json'), 400, 'stream_path_invalid'],
      ['of no stream', from('/v1/stream/'), 400, 'stream_path_invalid'],
      ['of an empty name', from(''), 400, 'stream_path_invalid'],
      ['of a path with an empty segment', from('/v1/stream/a//b'), 400, 'stream_path_invalid'],
      ['of a path that is not encoded right', from('/v1/stream/%zz'), 400, 'stream_path_invalid'],
      ['of a path with a parent in it', from('/v1/stream/a/%2e%2e/b'), 400, 'stream_path_invalid'],
      ['of an unknown stream', from('/v1/stream/nobody'), 404, 'stream_not_found'],
      ["of another project's stream", from('/v1/stream/foreign'), 404, 'stream_not_found'],
      ['of a deleted stream', from('/v1/stream/hidden'), 409, 'stream_path_blocked'],
      ["of a session's log", from('/v1/stream/sessions/s/events'), 403, 'stream_reserved'],
      ["of a session's log, encoded", from('/v1/stream/sessions%2Fs%2Fevents'), 403, 'stream_reserved'],
      ["of a runner's commands", from('/v1/stream/runners/r/control'), 403, 'stream_reserved'],
      ['of another content type', fromJson(TEXT_TYPE), 409, 'content_type_mismatch'],
      ['at an offset that is none', fromJson({ 'stream-fork-offset': 'abc' }), 400, 'offset_malformed'],
      ['at an empty offset', fromJson({ 'stream-fork-offset': '' }), 400, 'offset_malformed'],
      [
        'beyond the tail',
        fromJson({ 'stream-fork-offset': `${'9'.repeat(16)}_${'9'.repeat(16)}` }),
        400,
        'offset_beyond_tail',
      ],
      ['with only a sub-offset', fromJson({ 'stream-fork-sub-offset': '1' }), 400, 'stream_create_invalid'],
      [
        'from nothing at an offset',
        { headers: { ...JSON_TYPE, 'stream-fork-offset': '-1' } },
        400,
        'stream_create_invalid',
      ],
      [
        'from nothing at a sub-offset',
        { headers: { ...JSON_TYPE, 'stream-fork-sub-offset': '0' } },
        400,
        'stream_create_invalid',
      ],
    ])('%s', async (_, sent, status, code) => {
      await expectRefusal(['PUT', '/v1/stream/new', sent], [status, code]);
    });

    it.each(['-1', '1.5', '01', '+1', 'abc', '', ' ', '4', '99999999999999999999'])(
      'at the sub-offset "%s"',
      async (sub) => {
        const sent = fromJson({ 'stream-fork-offset': '-1', 'stream-fork-sub-offset': sub });
        await expectRefusal(['PUT', '/v1/stream/new', sent], [400, 'stream_create_invalid']);
      },
    );
  });

  it.each<[string, string, Sent, string]>([
    ['content type', 'json', { headers: TEXT_TYPE }, 'content type'],
    ['lifetime', 'json', { headers: { ...JSON_TYPE, 'stream-ttl': '60' } }, 'lifetime'],
    ['state', 'json', { headers: { ...JSON_TYPE, 'stream-closed': 'true' } }, 'closed state'],
    ['state than closed', 'closed', { headers: JSON_TYPE }, 'closed state'],
    ['source', 'json', { headers: { 'stream-forked-from': '/v1/stream/produced' } }, 'source'],
    ['source than itself', 'json', { headers: { 'stream-forked-from': '/v1/stream/json' } }, 'source'],
  ])('to make a stream that is there with another %s', async (_, path, sent, difference) => {
    await expectRefusal(['PUT', `/v1/stream/${path}`, sent], [409, 'stream_exists'], { members: { difference } });
  });

  it.each<[string, string, Sent, number, string]>([
    ['at the path of one that forks still read', 'hidden', { headers: JSON_TYPE }, 409, 'stream_path_blocked'],
    ['with a body that is not JSON', 'new', { headers: JSON_TYPE, body: '{' }, 400, 'append_malformed'],
    [
      'with a message over 1 MiB',
      'new',
      { headers: JSON_TYPE, body: `"${'x'.repeat(MIB)}"` },
      413,
      'message_too_large',
    ],
  ])('to make a stream %s', async (_, path, sent, status, code) => {
    await expectRefusal(['PUT', `/v1/stream/${path}`, sent], [status, code]);
  });

  describe('to append', () => {
    const body = '[4]';

    it.each<[string, Sent, number, string]>([
      ['nothing', { headers: JSON_TYPE }, 400, 'append_malformed'],
      ['without a content type', { body }, 400, 'append_malformed'],
      ['with another content type', { headers: TEXT_TYPE, body }, 409, 'content_type_mismatch'],
      ['an empty array', { headers: JSON_TYPE, body: '[]' }, 400, 'append_malformed'],
      ['half a value', { headers: JSON_TYPE, body: '{"a":' }, 400, 'append_malformed'],
      ['two values', { headers: JSON_TYPE, body: '1 2' }, 400, 'append_malformed'],
      ['blanks', { headers: JSON_TYPE, body: '  ' }, 400, 'append_malformed'],
      ['what is not UTF-8', { headers: JSON_TYPE, body: Buffer.from([0x22, 0xff, 0x22]) }, 400, 'append_malformed'],
      ['a byte order mark', { headers: JSON_TYPE, body: '\ufeff[1]' }, 400, 'append_malformed'],
      ['a control character in a text', { headers: JSON_TYPE, body: '"a\u0001"' }, 400, 'append_malformed'],
      ['NaN', { headers: JSON_TYPE, body: '[NaN]' }, 400, 'append_malformed'],
    ])('%s', async (_, sent, status, code) => {
      await expectRefusal(['POST', '/v1/stream/json', sent], [status, code]);
    });

    it('a message over 1 MiB, and is told the limit', async () => {
      const sent = { headers: JSON_TYPE, body: `["${'x'.repeat(MIB)}"]` };
      await expectRefusal(['POST', '/v1/stream/json', sent], [413, 'message_too_large'], {
        members: { limit_bytes: MIB },
      });
    });

    it.each([
      ['that says so', { 'content-length': String(16 * MIB + 1) }, 0],
      ['that does not say how long it is', { 'transfer-encoding': 'chunked' }, 16 * MIB + 1],
    ])('a body over 16 MiB %s, and is told the limit before it was sent whole', async (_, headers, bytes) => {
      const before = await everything();
      const request = open('POST', '/v1/stream/text', { headers: { ...TEXT_TYPE, ...headers } });
      request.flushHeaders();
      if (bytes) request.write(Buffer.alloc(bytes, 'x'));
      expect(await answerOf(request)).toMatchObject({
        status: 413,
        problem: { code: 'body_too_large', limit_bytes: 16 * MIB },
      });
      request.destroy();
      expect(await everything()).toEqual(before);
    });

    it('over 10 000 messages, and is told the limit', async () => {
      const sent = { headers: JSON_TYPE, body: `[${Array(10_001).fill('1').join()}]` };
      const members = { detail: expect.stringContaining('10000') };
      await expectRefusal(['POST', '/v1/stream/json', sent], [400, 'append_malformed'], { members });
    });

    it.each<[string, Headers]>([
      ['an id alone', { 'producer-id': 'w' }],
      ['an epoch alone', { 'producer-epoch': '0' }],
      ['a sequence alone', { 'producer-seq': '0' }],
      ['no id', { 'producer-epoch': '0', 'producer-seq': '0' }],
      ['no epoch', { 'producer-id': 'w', 'producer-seq': '0' }],
      ['no sequence', { 'producer-id': 'w', 'producer-epoch': '0' }],
      ['an empty id', producer(0, 0, '')],
      ['an id of 257 bytes', producer(0, 0, 'w'.repeat(257))],
      ...['-1', '1.5', 'abc', '', '1e3', '+1', '0x1', '9007199254740992', '1, 1'].flatMap(
        (value): [string, Headers][] => [
          [`the epoch "${value}"`, producer(value, 0)],
          [`the sequence "${value}"`, producer(0, value)],
        ],
      ),
    ])('as a producer with %s', async (_, headers) => {
      const sent = { headers: { ...JSON_TYPE, ...headers }, body };
      await expectRefusal(['POST', '/v1/stream/json', sent], [400, 'append_malformed']);
    });

    it.each<[string, Headers, number, string, object, object]>([
      [
        'of an epoch that is over',
        producer(1, 5),
        403,
        'producer_epoch_stale',
        { current_epoch: 2 },
        { 'producer-epoch': '2' },
      ],
      ['in the middle of a new epoch', producer(3, 1), 400, 'producer_epoch_must_start_at_zero', {}, {}],
      [
        'that leaves out a sequence',
        producer(2, 3),
        409,
        'producer_sequence_gap',
        { expected_seq: 2, received_seq: 3 },
        { 'producer-expected-seq': '2', 'producer-received-seq': '3' },
      ],
    ])('as a producer %s', async (_, headers, status, code, members, told) => {
      const sent = { headers: { ...JSON_TYPE, ...headers }, body };
      await expectRefusal(['POST', '/v1/stream/produced', sent], [status, code], { members, headers: told });
    });

    it.each(['m', 'l', 'lz', 'M', '9', ''])('with Stream-Seq "%s" after "m"', async (seq) => {
      const sent = { headers: { ...JSON_TYPE, 'stream-seq': seq }, body };
      const members = { last_seq: 'm' };
      await expectRefusal(['POST', '/v1/stream/produced', sent], [409, 'stream_seq_stale'], { members });
    });

    it.each<[string, Sent]>([
      ['something', { headers: JSON_TYPE, body }],
      ['and close once more', { headers: { ...JSON_TYPE, 'stream-closed': 'true' }, body }],
      ['of another type', { headers: TEXT_TYPE, body }],
      ['as a producer', { headers: { ...JSON_TYPE, ...producer(0, 0) }, body }],
    ])('%s to a closed stream, and is told where that ends', async (_, sent) => {
      const next = String((await call('HEAD', '/v1/stream/closed')).headers['stream-next-offset']);
      await expectRefusal(['POST', '/v1/stream/closed', sent], [409, 'stream_closed'], {
        members: { next_offset: next },
        headers: { 'stream-closed': 'true', 'stream-next-offset': next },
      });
    });

    it('with "Stream-Closed: yes" and nothing else, which is no way to close', async () => {
      const sent = { headers: { 'stream-closed': 'yes' } };
      await expectRefusal(['POST', '/v1/stream/json', sent], [400, 'append_malformed']);
    });
  });

  describe('to read', () => {
    const digits = '0'.repeat(16);
    it.each([
      ['empty', ''],
      ['a word', 'abc'],
      ['a number', '5'],
      ['a negative number', '-2'],
      ['too short', '0_0'],
      ['too long', `0${digits}_${digits}`],
      ['of three parts', `${digits}_${digits}_${digits}`],
      ['with a sign', `+${digits.slice(1)}_${digits}`],
      ['in capitals', 'NOW'],
      ['a path', '../../etc/passwd'],
      ['with a line break after it', `${digits}_${digits}%0a`],
      ['with a NUL in it', '%00'],
      ['given twice', '-1&offset=-1'],
    ])('from an offset that is %s', async (_, offset) => {
      for (const live of ['', '&live=sse', '&live=long-poll']) {
        await expectRefusal(['GET', `/v1/stream/json?offset=${offset}${live}`], [400, 'offset_malformed']);
      }
    });

    it('from beyond the tail', async () => {
      const next = String((await call('HEAD', '/v1/stream/json')).headers['stream-next-offset']);
      const beyond = `${next.slice(0, 17)}${'9'.repeat(16)}`;
      for (const live of ['', '&live=sse', '&live=long-poll']) {
        await expectRefusal(['GET', `/v1/stream/json?offset=${beyond}${live}`], [400, 'offset_beyond_tail']);
      }
    });

    it('from an offset of the stream that stood there before, and is told the earliest there is', async () => {
      const next = String((await call('HEAD', '/v1/stream/again')).headers['stream-next-offset']);
      const earliest = `${next.slice(0, 17)}${digits}`;
      for (const live of ['', '&live=sse', '&live=long-poll']) {
        await expectRefusal(['GET', `/v1/stream/again?offset=${stale}${live}`], [410, 'offset_gone'], {
          members: { earliest_offset: earliest },
          headers: { 'stream-earliest-offset': earliest },
        });
      }
    });

    it.each(['websocket', '', 'SSE', 'sse&live=sse', 'sse&live=long-poll'])('live in the way "%s"', async (live) => {
      await expectRefusal(['GET', `/v1/stream/json?offset=-1&live=${live}`], [400, 'live_mode_unknown']);
    });

    it.each(['sse', 'long-poll'])('live by %s from nowhere', async (live) => {
      await expectRefusal(['GET', `/v1/stream/json?live=${live}`], [400, 'live_offset_missing']);
    });
  });

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
      const theirs = await call('GET', '/v1/stream/foreign', { key: stranger.api_key });
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
      await expectRefusal([method, `/v1/stream/json${query}`, { ...sent, key: stack.keys.runner_key }], answer);
    }
  });

  it('to be one viewer too many, until one of them leaves', async () => {
    const viewers = await Promise.all(
      Array.from({ length: MAX_VIEWERS }, async () => {
        const request = open('GET', '/v1/stream/json?offset=-1&live=sse');
        request.end();
        await once(request, 'response');
        return request;
      }),
    );
    const members = { limit: MAX_VIEWERS };
    for (const live of ['sse', 'long-poll']) {
      await expectRefusal(['GET', `/v1/stream/json?offset=-1&live=${live}`], [503, 'too_many_viewers'], { members });
    }
    viewers.pop()!.destroy();
    const polled = async () => (await call('GET', '/v1/stream/json?offset=-1&live=long-poll')).status;
    await eventually(async () => expect(await polled()).toBe(200));
    for (const viewer of viewers) viewer.destroy();
  });

  it('what looks odd and is allowed is taken as it is', async () => {
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
    for (const body of [`[${deep}]\n`, '{"a":1,"a":2}', '"\\ud800\\u0000"', '12345678901234567890\n', '[1.0]']) {
      await call('DELETE', '/v1/stream/odd');
      await put('odd', { headers: { ...JSON_TYPE, 'content-type': 'Application/JSON; charset=utf-8' } });
      await post('odd', { headers: { ...JSON_TYPE, ...producer('007', '000'), 'stream-closed': ' TRUE ' }, body });
      const { body: stored, headers } = await call('GET', '/v1/stream/odd');
      expect(stored.toString().trim()).toBe(body.startsWith('[') ? body.trim() : `[${body.trim()}]`);
      expect(headers['stream-closed']).toBe('true');
    }
    const longest = `odd/${'ä'.repeat(198)}`;
    await put(encodeURI(longest), { headers: TEXT_TYPE });
    expect((await call('GET', `/v1/stream/${encodeURI(longest)}`)).status).toBe(200);
  });
});

import {
  backends,
  JSON_TYPE,
  MIB,
  PUBLIC_URL,
  TEXT_TYPE,
  streamsOn,
  type Headers,
  type Sent,
} from './streams-fixture.js';

describe.each(backends)('refused, and nothing written, on %s:', (backend) => {
  const { call, expectRefusal } = streamsOn(backend);

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

  it('not what is right: it is told where the stream is, by the URL that callers are meant to use', async () => {
    const answer = await call('PUT', '/v1/stream/new', { headers: { ...JSON_TYPE, host: 'elsewhere.example' } });
    expect(answer).toMatchObject({ status: 201, headers: { location: `${PUBLIC_URL}/v1/stream/new` } });
  });
});

import {
  backends,
  JSON_TYPE,
  MIB,
  TEXT_TYPE,
  producer,
  streamsOn,
  type Headers,
  type Sent,
} from './streams-fixture.js';

describe.each(backends)('refused, and nothing written, on %s:', (backend) => {
  const { open, call, put, post, everything, answerOf, expectRefusal } = streamsOn(backend);

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

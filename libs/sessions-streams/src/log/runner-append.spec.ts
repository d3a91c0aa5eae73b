import { MAX_MESSAGES, parseProducer, parseRunnerEvents } from './runner-append.js';

const TURN = '0190b0e0-0000-7000-8000-000000000000';
const event = (type: string, data: object = {}) => ({ type, at: '2026-01-01T00:00:00.000Z', turn_id: TURN, data });
const nested = (depth: number): object => (depth ? { inner: nested(depth - 1) } : {});
const body = (value: unknown) => Buffer.from(JSON.stringify(value));
const refusal = (code: string) => expect.objectContaining({ code });

describe('what a runner appends', () => {
  it('is a list of events, each stored as one compact line', () => {
    const text = JSON.stringify([event('agent.update', { text: 'a\nb' }), event('agent.notice')], null, 2);
    const messages = parseRunnerEvents(Buffer.from(text)).messages.map(String);
    expect(messages.map((message) => JSON.parse(message))).toEqual([
      event('agent.update', { text: 'a\nb' }),
      event('agent.notice'),
    ]);
    expect(messages.join('')).not.toContain('\n');
  });

  it('may be a single event', () => {
    expect(parseRunnerEvents(body(event('agent.update')))).toMatchObject({
      turn_id: TURN,
      messages: [expect.any(Buffer)],
    });
  });

  it("may not be of a type that is the server's own", () => {
    expect(() => parseRunnerEvents(body([event('agent.update'), event('interaction.responded')]))).toThrow(
      refusal('event_type_reserved'),
    );
  });

  it.each([
    ['not JSON', Buffer.from('{')],
    ['empty', body([])],
    ['too many', body(Array(MAX_MESSAGES + 1).fill(event('agent.update')))],
    ['null', body([null])],
    ['without data', body([{ ...event('agent.update'), data: undefined }])],
    ['with a field that events do not have', body([{ ...event('agent.update'), seq: 1 }])],
    ['of two turns', body([event('agent.update'), { ...event('agent.update'), turn_id: TURN.replace('0', '1') }])],
    ['with a list for data', body([{ ...event('agent.update'), data: [] }])],
    ['at no time', body([{ ...event('agent.update'), at: 'noon' }])],
    ['of no turn', body([{ ...event('agent.update'), turn_id: 't' }])],
    ['nested too deep', body([event('agent.update', nested(300))])],
    ['with a number for a type', body([{ ...event('agent.update'), type: 3 }])],
  ])('that is %s is refused whole', (_, bytes) => {
    expect(() => parseRunnerEvents(bytes)).toThrow(refusal('append_malformed'));
  });

  it('may not hold a message over 1 MiB; the refusal names the limit', () => {
    expect(() => parseRunnerEvents(body([event('agent.update', { text: 'x'.repeat(1024 * 1024) })]))).toThrow(
      expect.objectContaining({ code: 'message_too_large', members: { limit_bytes: 1024 * 1024 } }),
    );
  });
});

describe('the producer of an append', () => {
  const headers = { 'producer-id': 'runner', 'producer-epoch': '3', 'producer-seq': '0' };

  it('is the one that the server fixed, with its epoch and sequence', () => {
    expect(parseProducer(headers, 'runner')).toEqual({ epoch: 3, seq: 0 });
  });

  it.each([
    ['another id', { 'producer-id': 'me' }],
    ['no id', { 'producer-id': undefined }],
    ['no epoch', { 'producer-epoch': undefined }],
    ['a negative sequence', { 'producer-seq': '-1' }],
    ['a fraction', { 'producer-seq': '1.5' }],
    ['an epoch beyond 2^53', { 'producer-epoch': '9007199254740993' }],
  ])('with %s is refused', (_, change) => {
    expect(() => parseProducer({ ...headers, ...change }, 'runner')).toThrow(refusal('append_malformed'));
  });
});

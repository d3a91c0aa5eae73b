import { once } from 'node:events';
import { eventually } from '@holdfast/testing';
import { backends, MAX_VIEWERS, streamsOn } from './streams-fixture.js';

describe.each(backends)('refused, and nothing written, on %s:', (backend) => {
  const { open, call, expectRefusal, stale } = streamsOn(backend);

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
        await expectRefusal(['GET', `/v1/stream/again?offset=${stale()}${live}`], [410, 'offset_gone'], {
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
});

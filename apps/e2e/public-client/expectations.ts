import type { Live, programs } from './programs.js';

/** Runs a program somewhere and gives what it gave. */
export type Run = (name: keyof typeof programs, live?: Live) => Promise<unknown>;

/** The tests of all programs, the same wherever they run. */
export function expectPrograms(run: Run): void {
  it('creates a log, appends JSON values and reads them back in order', async () => {
    const offset = expect.stringMatching(/./);
    const { head, ...read } = (await run('createAppendRead')) as { head: { offset: string } };
    expect(read).toEqual({ messages: [{ n: 1 }, { n: 2 }, [3, 'three'], null], offset: head.offset, upToDate: true });
    expect(head).toMatchObject({ exists: true, contentType: 'application/json', offset, streamClosed: false });
  });

  it('creates a log with its first messages', async () => {
    expect(await run('createWithFirstMessages')).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('reads back every byte', async () => {
    expect(await run('bytes')).toEqual(Array.from({ length: 256 }, (_, n) => n));
  });

  it('pipes a stream of the Web platform into a log and closes it', async () => {
    expect(await run('piping')).toEqual({ text: 'one two three', closed: true });
  });

  it('keeps pipelined appends of an idempotent producer in order, and their retries out', async () => {
    expect(await run('idempotentProducer')).toEqual(Array.from({ length: 60 }, (_, n) => n));
  });

  it('refuses a producer that another one replaced, until it claims a new epoch', async () => {
    expect(await run('replacedProducer')).toEqual({
      messages: ['of the first', 'of the second', 'of the third'],
      errors: ['first: StaleEpochError', 'second: StaleEpochError'],
      epoch: 2,
    });
  });

  describe.each(['long-poll', 'sse'] as const)('live, by %s', (live) => {
    it('follows JSON to the end of the log', async () => {
      expect(await run('followJson', live)).toEqual({
        seen: [{ text: 'first' }, { text: 'two\r\nlines\n\n' }, { text: 'ünïcödé 🛟' }],
        closed: true,
      });
    });

    it('follows bytes to the end of the log', async () => {
      expect(await run('followBytes', live)).toEqual({
        seen: [0, 1, 2].flatMap((n) => [n, 0, 255, 10, 13]),
        closed: true,
      });
    });

    it('sees only what comes when it starts from now', async () => {
      expect(await run('onlyWhatComes', live)).toEqual(['after']);
    });
  });

  it('goes on from the offset where it left, without a gap or a repetition', async () => {
    expect(await run('resume')).toEqual([[1, 2], [3], [4]]);
  });

  it('reads a long history whole and in order', async () => {
    const whole = { count: 3000, inOrder: true };
    expect(await run('longHistory')).toEqual({ byDefault: whole, catchUpOnly: whole });
  });

  it('closes a log with a last message, again without effect, and appends nothing after', async () => {
    expect(await run('close')).toEqual({
      messages: ['first', 'last'],
      closed: true,
      ends: 1,
      late: 'FetchError 409',
    });
  });

  it('forks a log at an offset', async () => {
    expect(await run('fork')).toEqual({
      source: ['shared', 'only in the source'],
      fork: ['shared', 'only in the fork'],
    });
  });

  it('deletes a log', async () => {
    expect(await run('deleteStream')).toEqual({ read: 'FetchError 404', head: { exists: false } });
  });

  it('learns what is wrong with a request', async () => {
    expect(await run('refusals')).toEqual({
      'an older Stream-Seq': 'FetchError 409',
      'another content type': 'FetchError 409',
      'not JSON': 'FetchError 400',
      'an unknown stream': 'FetchError 404',
      'a wrong key': 'FetchError 401',
      'a wrong key, reading': 'FetchError 401',
    });
  });
}

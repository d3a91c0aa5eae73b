import type { LogHead } from '../log-head.js';
import { judgeGroup } from './append-group.js';
import { keyed } from './log-append.js';

const MIB = 1024 * 1024;
const LOG = { project_id: 'p', path: 'log' };

/** The segments that appends of these messages become, at tail 100. */
function segmentsOf(content_type: string, ...appends: Buffer[][]) {
  const head = { ...LOG, id: 1, version: 0, content_type, tail: 100, state: 'live', last_seq: null } as LogHead;
  const known = new Map([['p log', { head, producers: new Map() }]]);
  const judged = judgeGroup(
    appends.map((messages) => keyed({ ...LOG, messages })),
    known,
  );
  expect(judged.outcomes.every(({ kind }) => kind === 'appended')).toBe(true);
  return judged.changes.segments.map(({ start, upto, lengths, body }) => ({
    start,
    upto,
    body,
    lengths: Array.from({ length: lengths.length / 4 }, (_, index) => lengths.readInt32BE(index * 4)),
  }));
}
const messages = (...texts: string[]) => texts.map((text) => Buffer.from(text));

describe('the segments of a group of appends', () => {
  it('are one for what fits: the messages joined by commas, and how long each is', () => {
    expect(segmentsOf('application/json', messages('1', '"ä"'), messages('[3]'))).toEqual([
      { start: 100, upto: 103, lengths: [1, 4, 3], body: Buffer.from('1,"ä",[3]') },
    ]);
  });

  it('hold the messages alone, wherever in a body they stood', () => {
    const body = Buffer.from('[ 1,2 , 3,4,"," ]');
    const parts = [2, 4, 8, 10].map((at) => body.subarray(at, at + 1));
    const last = body.subarray(12, 15);
    expect(segmentsOf('application/json', [...parts, last])[0]!.body.toString()).toBe('1,2,3,4,","');
    expect(segmentsOf('application/json', [parts[0]!, parts[1]!], [parts[3]!, parts[2]!])[0]!.body.toString()).toBe(
      '1,2,4,3',
    );
  });

  it('hold about 1 MiB each and no message in two of them', () => {
    const texts = Array.from({ length: 7 }, (_, n) => Buffer.from(`"${String(n).repeat(400_000)}"`));
    const segments = segmentsOf('application/json', texts);
    expect(segments.map(({ start, upto }) => [start, upto])).toEqual([
      [100, 102],
      [102, 104],
      [104, 106],
      [106, 107],
    ]);
    expect(Buffer.from(segments.map(({ body }) => body.toString()).join()).equals(Buffer.from(texts.join()))).toBe(
      true,
    );
    const large = segmentsOf('application/json', messages('1', `"${'x'.repeat(MIB)}"`, '2'));
    expect(large.map(({ upto }) => upto)).toEqual([101, 102, 103]);
  });

  it.each(['a', 'é', '€', '😀'])('of bytes never end within a character (%s)', (character) => {
    for (const shift of [0, 1, 2, 3]) {
      const text = 'x'.repeat(shift) + character.repeat(Math.ceil((2.5 * MIB) / Buffer.byteLength(character)));
      const segments = segmentsOf('text/plain', [Buffer.from(text)]);
      expect(segments.length).toBe(3);
      expect(segments.map(({ body }) => body.toString()).join('') === text).toBe(true);
      for (const { start, upto, body } of segments)
        expect([upto - start, body.length <= MIB]).toEqual([body.length, true]);
    }
  });

  it('of bytes that are no text are cut all the same', () => {
    const segments = segmentsOf('application/octet-stream', [Buffer.alloc(2 * MIB, 0x80)]);
    expect(segments.map(({ body }) => body.length)).toEqual([MIB, MIB]);
  });
});

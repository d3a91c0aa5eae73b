import { formatOffset, offsetAt, resolveOffset } from './log-offset.js';

const whole = { fork_at: 0, lineage_ends: [], lineage_generations: [] };
const range = { id: 2, generation: 2, source_id: null, first: 3, tail: 9, ...whole };
const at = (position: number, generation = 2) => formatOffset({ generation, position });

describe('offsets', () => {
  it('are 16 digits of generation and of position, so that byte order is log order', () => {
    expect(formatOffset({ generation: 1, position: 42 })).toBe('0000000000000001_0000000000000042');
    expect(at(9) < at(10)).toBe(true);
    expect(at(99, 1) < at(0, 2)).toBe(true);
  });

  it('-1 is the earliest message that can be read, now is the tail', () => {
    expect(resolveOffset('-1', range)).toBe(3);
    expect(resolveOffset('now', range)).toBe(9);
  });

  it('an offset handed out before is its position, the tail included', () => {
    expect(resolveOffset(at(3), range)).toBe(3);
    expect(resolveOffset(at(9), range)).toBe(9);
  });

  it.each([
    ['trimmed away', at(2), 'offset_gone'],
    ['of an earlier generation', at(5, 1), 'offset_gone'],
    ['the zero token of a trimmed log', '0000000000000000_0000000000000000', 'offset_gone'],
    ['beyond the tail', at(10), 'offset_beyond_tail'],
    ['of a later generation', at(0, 3), 'offset_beyond_tail'],
    ['empty', '', 'offset_malformed'],
    ['a number', '5', 'offset_malformed'],
    ['with a path in it', '../../etc', 'offset_malformed'],
    ['with a line break', `${at(5)}\n`, 'offset_malformed'],
  ])('one that is %s is refused', (_, offset, code) => {
    expect(() => resolveOffset(offset, range)).toThrow(expect.objectContaining({ code }));
  });

  describe('of a fork', () => {
    const lineage = { fork_at: 6, lineage_ends: [4, 6], lineage_generations: [2, 5] };
    const fork = { ...range, id: 8, generation: 8, source_id: 5, ...lineage };

    it.each([
      [3, 2],
      [4, 2],
      [5, 5],
      [6, 5],
      [7, 8],
      [9, 8],
    ])('position %i has generation %i: that of the log which holds it', (position, generation) => {
      expect(offsetAt(fork, position)).toBe(at(position, generation));
      expect(resolveOffset(at(position, generation), fork)).toBe(position);
    });

    it.each([
      ['of its source past the fork', at(7, 5), 'offset_gone'],
      ['of the source of its source past that fork', at(5, 2), 'offset_gone'],
      ['of what stood at its path before', at(7, 7), 'offset_gone'],
      ['of a later one', at(7, 9), 'offset_beyond_tail'],
    ])('one that is %s is refused', (_, offset, code) => {
      expect(() => resolveOffset(offset, fork)).toThrow(expect.objectContaining({ code }));
    });

    it('from before offsets told forks apart is that of its source everywhere, and that of what stood there before is gone', () => {
      const old = { ...range, id: 8, source_id: 2, fork_at: 6 };
      expect([5, 7].map((position) => offsetAt(old, position))).toEqual([at(5), at(7)]);
      expect(resolveOffset(at(7), old)).toBe(7);
      expect(() => resolveOffset(at(5, 7), old)).toThrow(expect.objectContaining({ code: 'offset_gone' }));
      expect(() => resolveOffset(at(5, 8), old)).toThrow(expect.objectContaining({ code: 'offset_beyond_tail' }));
    });
  });

  it('a gone offset names the earliest that can be read', () => {
    expect(() => resolveOffset(at(0), range)).toThrow(expect.objectContaining({ members: { earliest_offset: at(3) } }));
  });

  it('the zero token is the start of a log that was never trimmed', () => {
    expect(resolveOffset('0000000000000000_0000000000000000', { ...range, first: 0 })).toBe(0);
  });
});

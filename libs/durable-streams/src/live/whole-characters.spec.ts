import type { LogHead } from '../log-head.js';
import { wholeCharacters } from './whole-characters.js';

const head = (rest: Partial<LogHead> = {}) => ({ content_type: 'text/plain', closed: false, ...rest }) as LogHead;
const page = (...parts: Buffer[]) => {
  const next = 10 + parts.reduce((sum, { length }) => sum + length, 0);
  return { from: 10, next, parts, upToDate: true };
};
const shown = (bytes: Buffer, of = head()) => {
  const { parts, next } = wholeCharacters(of, page(bytes));
  return [Buffer.concat(parts).toString('latin1'), next - 10];
};

describe('the text of a page', () => {
  it.each(['ä', '€', '𝄞'])('ends before a character that is not whole yet: %s', (character) => {
    const bytes = Buffer.from(`ab${character}`);
    for (let length = 3; length < bytes.length; length++) expect(shown(bytes.subarray(0, length))).toEqual(['ab', 2]);
    expect(shown(bytes)).toEqual([bytes.toString('latin1'), bytes.length]);
  });

  it('is none while there is nothing but the beginning of a character', () => {
    const begun = wholeCharacters(head(), page(Buffer.from('€').subarray(0, 1)));
    expect(begun).toEqual({ from: 10, next: 10, parts: [], upToDate: true });
  });

  it('is found across the pieces of the page', () => {
    const [first, ...rest] = [...Buffer.from('a€')].map((byte) => Buffer.from([byte]));
    expect(wholeCharacters(head(), page(first!, ...rest.slice(0, 2)))).toMatchObject({ next: 11 });
    expect(wholeCharacters(head(), page(first!, ...rest))).toMatchObject({ next: 14 });
  });

  it.each([
    ['a byte that never occurs', [0x61, 0xff]],
    ['a byte that begins nothing', [0x61, 0xc0]],
    ['bytes that continue nothing', [0x80, 0x80, 0x80, 0x80]],
    ['one too many', [0xc3, 0xa4, 0x80]],
  ])('waits for nothing after %s: it is no UTF-8 whatever comes', (_, bytes) => {
    expect(shown(Buffer.from(bytes))[1]).toBe(bytes.length);
  });

  it('is all there is at the end of a closed log', () => {
    expect(shown(Buffer.from([0x61, 0xe2]), head({ closed: true }))[1]).toBe(2);
  });

  it('is nothing that others are cut by', () => {
    for (const content_type of ['application/json', 'application/octet-stream']) {
      expect(shown(Buffer.from([0x61, 0xe2]), head({ content_type }))[1]).toBe(2);
    }
  });
});

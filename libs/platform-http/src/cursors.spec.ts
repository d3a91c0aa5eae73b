import { decodeCursor, encodeCursor } from './cursors.js';

const SHAPE = { created_at: 'timestamp', session_id: 'string', offset: 'integer', turn_id: 'uuid' } as const;
const KEY = {
  created_at: '2026-01-02T03:04:05.123456Z',
  session_id: 'ümlaut/😀',
  offset: 42,
  turn_id: '0198c7a0-0000-7000-8000-000000000000',
};
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a cursor', () => {
  it('comes back as the key it was made of', () => {
    expect(decodeCursor(encodeCursor(KEY), SHAPE)).toEqual(KEY);
    expect(encodeCursor(KEY)).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  it('is absent for the first page', () => {
    expect(decodeCursor(undefined, SHAPE)).toBeUndefined();
  });

  it.each([
    ['empty', ''],
    ['not base64url', '!!!'],
    ['not JSON', Buffer.from('{').toString('base64url')],
    ['not an object', encode('text')],
    ['null', encode(null)],
    ['a list', encode([1])],
    ['without one of its parts', encode({ ...KEY, offset: undefined })],
    ['with a part of another type', encode({ ...KEY, session_id: 1 })],
    ['with a number that is not whole', encode({ ...KEY, offset: 1.5 })],
    ['with a time that is none', encode({ ...KEY, created_at: '2026-13-45T03:04:05Z' })],
    ['with words for a time', encode({ ...KEY, created_at: 'yesterday' })],
    ['with an id that is none', encode({ ...KEY, turn_id: 'x' })],
    ['with text that PostgreSQL refuses', encode({ ...KEY, session_id: 'a\0b' })],
  ])('is malformed when it is %s', (_, cursor) => {
    expect(() => decodeCursor(cursor, SHAPE)).toThrow(expect.objectContaining({ code: 'cursor_malformed' }));
  });
});

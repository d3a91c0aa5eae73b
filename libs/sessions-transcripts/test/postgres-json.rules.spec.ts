import { toJsonb } from '../src/projection/postgres-json.rules.js';

describe('JSON for PostgreSQL', () => {
  it.each([
    ['NUL', { 'a\0': ['x\0y'] }, { 'a\ufffd': ['x\ufffdy'] }],
    ['halves of surrogate pairs', { a: 'x\ud83d', b: '\ude00y' }, { a: 'x\ufffd', b: '\ufffdy' }],
  ])('replaces %s', (_what, value, expected) => {
    expect(JSON.parse(toJsonb(value))).toEqual(expected);
  });

  it('leaves everything else as it is, backslashes before a "u0000" too', () => {
    const value = { a: '\\u0000 \\\\ud83d \ud83d\ude00 \n " \u0001' };
    expect(JSON.parse(toJsonb(value))).toEqual(value);
  });
});

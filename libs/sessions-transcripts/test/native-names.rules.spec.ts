import * as fc from 'fast-check';
import { isFileName } from '../src/native/native-names.rules.js';

describe('the name of a file', () => {
  it.each(['main.jsonl', 'subagents/agent-x.jsonl', 'a b', '...', '.hidden', "it's", '結果', '😀', 'a'.repeat(255)])(
    'N7: may be %j',
    (name) => expect(isFileName(name)).toBe(true),
  );

  it.each([
    '',
    '.',
    '..',
    '/a',
    'a/',
    'a//b',
    'a/./b',
    'a/../b',
    '../a',
    'a\\b',
    'a\0',
    'a\u007f',
    '\ud800',
    'a'.repeat(256),
  ])('N7: may not be %j', (name) => expect(isFileName(name)).toBe(false));

  it('N7: never leads out of the folder that it is put into', () => {
    const part = fc.constantFrom('..', '.', '', 'a', '...', '/', '\\', '\0', '..a');
    const anyName = fc.oneof(
      fc.array(part, { maxLength: 6 }).map((parts) => parts.join('/')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(anyName, (name) => {
        if (!isFileName(name)) return;
        const inside = new URL(name.split('/').map(encodeURIComponent).join('/'), 'file:///folder/').pathname;
        expect(inside.startsWith('/folder/') && inside !== '/folder/').toBe(true);
      }),
    );
  });
});

import fc from 'fast-check';
import { jsonSpan, jsonString, spliced } from '../../src/native/json-span.js';

describe('the place of a value in JSON text', () => {
  const cut = (text: string, ...keys: string[]) => {
    const buffer = Buffer.from(text);
    const span = jsonSpan(buffer, keys);
    return span && buffer.toString('utf8', span.start, span.end);
  };

  it('is found in any document, with any white space and in any order of keys', () => {
    const key = fc.oneof(fc.constantFrom('a', 'b', '"', '\\', 'é'), fc.string({ unit: 'binary' }));
    const indent = fc.constantFrom(undefined, 1, '\t');
    fc.assert(
      fc.property(fc.dictionary(key, fc.dictionary(key, fc.jsonValue())), indent, (document, space) => {
        const text = JSON.stringify(document, null, space);
        const parsed = JSON.parse(text) as typeof document;
        for (const [outer, members] of Object.entries(parsed)) {
          for (const [inner, value] of Object.entries(members)) {
            expect(JSON.parse(cut(text, outer, inner)!)).toEqual(value);
          }
          expect(cut(text, outer, 'not there')).toBeUndefined();
        }
      }),
    );
  });

  it.each([
    ['', ['a']],
    ['[1]', ['a']],
    ['{"a"', ['a']],
    ['{"a":', ['a']],
    ['{"a":"x', ['a']],
    ['{"a":{"b":1', ['a']],
    ['{"x":[1,{"a":1}', ['a']],
    ['{"x" 1,"a":2}', ['a']],
    ['{"x":1 "a":2}', ['a']],
    ['{"\\ud":1,"b":2}', ['a']],
    ['{"a":1}', ['a', 'b']],
    ['not json', []],
  ])('is unknown in %j for %j, or ends with the text', (text, keys) => {
    const found = cut(text, ...keys);
    expect([undefined, 'not']).toContain(found);
  });

  it('only a string is read as one', () => {
    expect(jsonString(Buffer.from('{"a":"x\\n","b":7}'), ['a'])).toBe('x\n');
    expect(jsonString(Buffer.from('{"a":"x\\n","b":7}'), ['b'])).toBeUndefined();
  });

  it('put in the place of a value, another one changes no other byte', () => {
    const text = Buffer.from(' { "n" : 1.50, "a" : {"b" : "old"} , "big":12345678901234567890 } ');
    const changed = spliced(text, jsonSpan(text, ['a', 'b'])!, Buffer.from('"new"'));
    expect(changed.toString()).toBe(text.toString().replace('old', 'new'));
  });
});

import fc from 'fast-check';
import { readJsonMessages } from './json-messages.js';

const texts = (body: string | Buffer) => readJsonMessages(Buffer.from(body)).messages.map(String);

describe('the messages of a JSON body', () => {
  it.each([
    ['one value', '{"a":1}', ['{"a":1}']],
    ['a text', '"a,b"', ['"a,b"']],
    ['an array, one level flattened', '[1,[2,3],{"a":[4,5]}]', ['1', '[2,3]', '{"a":[4,5]}']],
    ['none of an empty array', ' [ ] ', []],
    ['blanks around them removed', ' [ 1 ,\t2 ] ', ['1', '2']],
    ['brackets, quotes and backslashes in texts', '["]","a\\"],[","\\\\",1]', ['"]"', '"a\\"],["', '"\\\\"', '1']],
    ['numbers as they were sent', '[1.0,1e2,12345678901234567890]', ['1.0', '1e2', '12345678901234567890']],
    ['each on one line', '[\n{\r\n"a":\t1\n}\n]', ['{  "a":\t1 }']],
    ['as they were sent, line breaks or not', '12345678901234567890\n', ['12345678901234567890']],
  ])('are %s', (_, body, expected) => {
    expect(texts(body)).toEqual(expected);
  });

  it('are the elements that JSON.parse finds, whatever the array holds', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'), (values, space) => {
        expect(texts(JSON.stringify(values, undefined, space)).map((text) => JSON.parse(text))).toEqual(
          JSON.parse(JSON.stringify(values)),
        );
      }),
    );
  });

  it.each([
    ['is not JSON', '{'],
    ['is empty', ''],
    ['is two values', '1 2'],
    ['is not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ])('are refused when the body %s', (_, body) => {
    expect(() => texts(body)).toThrow(expect.objectContaining({ code: 'append_malformed' }));
  });

  it('are limited in number and size', () => {
    expect(() => texts(`[${Array(10_001).fill('1').join()}]`)).toThrow(
      expect.objectContaining({ code: 'append_malformed' }),
    );
    expect(() => texts(`"${'x'.repeat(1024 * 1024)}"`)).toThrow(expect.objectContaining({ code: 'message_too_large' }));
  });
});

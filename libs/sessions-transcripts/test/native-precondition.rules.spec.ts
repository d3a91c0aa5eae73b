import { parseNativePrecondition } from '../src/native/native-precondition.rules.js';

describe('the precondition of a save', () => {
  it('N2: is that nothing is there, or that a version is the newest', () => {
    expect(parseNativePrecondition(undefined, '*')).toEqual({ create: true });
    expect(parseNativePrecondition('"12"', undefined)).toEqual({ create: false, version: 12 });
  });

  it('N2: is needed', () => {
    expect(() => parseNativePrecondition(undefined, undefined)).toThrow(
      expect.objectContaining({ code: 'precondition_required' }),
    );
  });

  it.each([
    ['"1"', '*'],
    ['*', undefined],
    ['W/"1"', undefined],
    ['1', undefined],
    ['"0"', undefined],
    ['"1", "2"', undefined],
    ['"99999999999"', undefined],
    ['', undefined],
    [undefined, '"1"'],
    [undefined, ''],
  ])('N2: is not If-Match %j with If-None-Match %j', (ifMatch, ifNoneMatch) => {
    expect(() => parseNativePrecondition(ifMatch, ifNoneMatch)).toThrow(
      expect.objectContaining({ code: 'precondition_malformed' }),
    );
  });
});

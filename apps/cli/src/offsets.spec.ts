import { placeIn } from './offsets.js';

const offset = (generation: number, position: number) =>
  [generation, position].map((value) => String(value).padStart(16, '0')).join('_');

describe('a cursor', () => {
  it.each([
    ['before the tail', offset(1, 7), offset(1, 7)],
    ['at the tail', offset(1, 9), offset(1, 9)],
    ['behind the tail', offset(1, 10), undefined],
    ['of an earlier log', offset(0, 3), undefined],
    ['of a later log', offset(2, 3), undefined],
    ['that does not exist', undefined, undefined],
  ])('%s', (_, cursor, place) => {
    expect(placeIn(offset(1, 9), cursor)).toBe(place);
  });
});

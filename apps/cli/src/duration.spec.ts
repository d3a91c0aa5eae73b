import { durationSeconds } from './duration.js';

describe('a time to wait, as it is typed', () => {
  it.each([
    ['90s', 90],
    ['30m', 1_800],
    ['12h', 43_200],
    ['7d', 604_800],
  ])('%s is %d seconds', (text, seconds) => expect(durationSeconds(text)).toBe(seconds));

  it.each(['', '0s', '5', 'm', '-1h', '1.5h', '1 h', '2w', 'now'])('%s is none', (text) => {
    expect(durationSeconds(text)).toBeUndefined();
  });
});

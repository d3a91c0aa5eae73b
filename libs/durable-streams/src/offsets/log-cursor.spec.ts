import { nextCursor } from './log-cursor.js';

const now = Date.UTC(2026, 0, 1);
const current = Math.floor((now - Date.UTC(2024, 9, 9)) / 20_000);

describe('the cursor of live responses', () => {
  it('is the number of 20 s intervals since 2024-10-09', () => {
    expect(nextCursor(undefined, now)).toBe(String(current));
    expect(nextCursor(String(current - 1), now)).toBe(String(current));
  });

  it.each([0, 0.5, 0.999])('grows beyond what the client sent (random %d)', (random) => {
    expect(Number(nextCursor(String(current), now, () => random))).toBeGreaterThan(current);
    expect(Number(nextCursor(String(current + 500), now, () => random))).toBeGreaterThan(current + 500);
  });

  it('ignores a cursor that is no number', () => {
    expect(nextCursor('abc', now)).toBe(String(current));
  });
});

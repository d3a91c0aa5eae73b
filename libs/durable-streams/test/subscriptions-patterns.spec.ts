import fc from 'fast-check';
import { createDataSource, platformPersistence, UnitOfWork } from '@holdfast/platform-postgres';
import { testPostgres, type TestPostgres } from '@holdfast/testing';
import type { DataSource } from 'typeorm';
import { parseGlobPattern } from '../src/subscriptions/glob-pattern.js';

/** What the protocol says, as plainly as it can be said. */
function matches(pattern: string[], path: string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return path.length === 0;
  if (first === '**') return path.some((_, index) => matches(rest, path.slice(index))) || matches(rest, []);
  return path.length > 0 && (first === '*' || first === path[0]) && matches(rest, path.slice(1));
}

const HARD = ['a', 'b', 'a.b', 'a+', '^', '$', '(', '[a]', '\\d', 'ä', '%2F', 'a|b', '{2}', '?', '-', ' ', '#'];
const segment = fc
  .oneof(fc.constantFrom(...HARD), fc.string({ minLength: 1, maxLength: 3, unit: 'grapheme' }))
  .filter((text) => !/[*/\p{Cc}\p{Cs}]/u.test(text));
const path = fc.array(segment, { minLength: 1, maxLength: 6 });
const pattern = fc.array(fc.oneof({ weight: 2, arbitrary: segment }, fc.constantFrom('*', '**')), {
  minLength: 1,
  maxLength: 6,
});

describe('the pattern of a subscription (S11)', () => {
  let database: TestPostgres;
  let dataSource: DataSource;
  let unitOfWork: UnitOfWork;
  beforeAll(async () => {
    database = await testPostgres([platformPersistence]);
    dataSource = await createDataSource({ url: database.url, poolSize: 2, applicationName: 'test' }, []).initialize();
    unitOfWork = new UnitOfWork(dataSource);
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const matched = async (pairs: { pattern: string; path: string }[]) => {
    const rows = await unitOfWork.query<{ matches: boolean }>(
      `SELECT path ~ regex AS matches FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS pair(path, regex, n) ORDER BY n`,
      [pairs.map((pair) => pair.path), pairs.map((pair) => parseGlobPattern(pair.pattern).regex)],
    );
    return rows.map((row) => row.matches);
  };

  it.each([
    ['events/*', 'events/a', true],
    ['events/*', 'events', false],
    ['events/*', 'events/a/b', false],
    ['events/**', 'events', true],
    ['events/**', 'events/a/b', true],
    ['events/**', 'eventsa', false],
    ['**', 'a', true],
    ['**/a', 'a', true],
    ['**/a', 'b/c/a', true],
    ['**/a', 'ba', false],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['a/**/b', 'a/xb', false],
    ['*/**', 'a', true],
    ['**/*', 'a/b', true],
    ['a.b', 'aXb', false],
    ['/events/a/', 'events/a', true],
  ])('%s, path %s: %s', async (text, subject, expected) => {
    expect(await matched([{ pattern: text, path: subject }])).toEqual([expected]);
  });

  it('matches what the definition says, whatever is in its segments', async () => {
    const pairs = fc
      .sample(fc.tuple(pattern, fc.oneof(path, pattern)), 4_000)
      // Half of the paths are made of the pattern, so that there is much to match.
      .map(([glob, other], n) => ({
        glob,
        path: n % 2 ? other : glob.flatMap((one) => (one === '**' ? other : [one])),
      }))
      .map(({ glob, path: parts }) => ({ glob, path: parts.map((part) => (/^\*+$/.test(part) ? 'x' : part)) }));
    const results = await matched(
      pairs.map(({ glob, path: parts }) => ({ pattern: glob.join('/'), path: parts.join('/') })),
    );
    const expected = pairs.map(({ glob, path: parts }) => matches(glob, parts));
    expect(expected.filter(Boolean).length).toBeGreaterThan(400);
    const wrong = pairs.filter((_, n) => results[n] !== expected[n]);
    expect(wrong).toEqual([]);
  });

  it('takes no longer than its length and that of the path explain', async () => {
    // Eight times any depth and never an end: a matcher that backtracks would not come back.
    const hostile = `${'**/a/'.repeat(8)}b`;
    const longest = Array.from({ length: 200 }, () => 'a').join('/');
    const stars = Array.from({ length: 199 }, () => '*').join('/');
    await unitOfWork.run(async (tx) => {
      await tx.query(`SET LOCAL statement_timeout = '5s'`);
      const rows = await tx.query<{ matches: boolean }>(
        `SELECT $1 ~ $2 AS matches FROM generate_series(1, 100) UNION ALL SELECT $1 ~ $3 FROM generate_series(1, 100)`,
        [longest, parseGlobPattern(hostile).regex, parseGlobPattern(stars).regex],
      );
      expect(rows.some((row) => row.matches)).toBe(false);
    });
  });

  it('finds its streams through the index of paths', async () => {
    expect(parseGlobPattern('events/eu.1/*').regex.startsWith('^events/eu\\.1/')).toBe(true);
  });

  it.each(['a//b', 'a*', '*a', 'a/b*/c', '***', '', '/', 'a/***', `${'**/a/'.repeat(9)}b`, 'a'.repeat(401)])(
    'is refused when it cannot be meant: %s',
    (text) => {
      expect(() => parseGlobPattern(text)).toThrow(expect.objectContaining({ code: 'subscription_invalid' }));
    },
  );

  it('is the same with and without slashes around it, and however often any depth is said in a row', () => {
    expect(parseGlobPattern('/a/**/**/b/')).toEqual(parseGlobPattern('a/**/b'));
  });
});

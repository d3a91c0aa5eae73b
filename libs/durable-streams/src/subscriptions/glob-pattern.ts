import { SubscriptionInvalid } from './subscriptions.errors.js';

const MAX_PATTERN_BYTES = 400;
/** Each may stand for any number of segments; PostgreSQL's matcher takes time in their number. */
const MAX_ANY_DEPTH = 8;

/** A glob over stream paths: `*` is one segment, `**` any number of them (Durable Streams, section 6.2). */
export interface GlobPattern {
  /** As it is shown and compared. */
  text: string;
  /** For PostgreSQL's `~`, whose matching time is bounded by path times pattern: it never backtracks for such a one. */
  regex: string;
}

/** Errors: subscription_invalid. */
export function parseGlobPattern(pattern: string): GlobPattern {
  if (Buffer.byteLength(pattern) > MAX_PATTERN_BYTES) {
    throw SubscriptionInvalid({ reason: `A pattern has at most ${MAX_PATTERN_BYTES} bytes.` });
  }
  const segments = pattern
    .replace(/^\/+|\/+$/g, '')
    .split('/')
    .filter((segment, index, all) => segment !== '**' || all[index - 1] !== '**');
  if (segments.some((segment) => segment === '' || (segment.includes('*') && !/^\*\*?$/.test(segment)))) {
    throw SubscriptionInvalid({
      reason: 'A pattern has segments, none of them empty; "*" and "**" stand for whole segments only.',
    });
  }
  if (segments.filter((segment) => segment === '**').length > MAX_ANY_DEPTH) {
    throw SubscriptionInvalid({ reason: `"**" may stand ${MAX_ANY_DEPTH} times in a pattern.` });
  }
  return { text: segments.join('/'), regex: regexOf(segments) };
}

/** Begins with the literal segments, so that PostgreSQL finds the paths through its index. */
function regexOf(segments: string[]): string {
  const last = segments.length - 1;
  const parts = segments.map((segment, index) => {
    if (segment !== '**') return (segment === '*' ? '[^/]+' : escaped(segment)) + slashAfter(segments, index);
    if (index < last) return '(?:[^/]+/)*';
    return index === 0 ? '.+' : '(?:/[^/]+)*';
  });
  return `^${parts.join('')}$`;
}

/** A `**` at the end brings its own slashes. */
function slashAfter(segments: string[], index: number): string {
  const isLast = index === segments.length - 1;
  const isBeforeTrailing = index === segments.length - 2 && segments.at(-1) === '**';
  return isLast || isBeforeTrailing ? '' : '/';
}

const escaped = (segment: string) => segment.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');

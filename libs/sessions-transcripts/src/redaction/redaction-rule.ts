import type { RE2JS } from 're2js';
import { cutPlace } from '../projection/cut-place.rules.js';

/** How a kind of secret is found. */
export interface RedactionRule {
  /** Stands in the placeholder: `^[a-z0-9][a-z0-9_-]{0,39}$`. */
  name: string;
  /** Lower case; a text that holds none of them in any case is not searched. Without it every text is. */
  keywords?: readonly string[];
  /** A text without a match is not searched: cheaper than `pattern`, and linear too. */
  hint?: RegExp;
  /** A group named `secret` is the secret; without one the whole match is. */
  pattern: RE2JS;
  /** A text that is longer, in UTF-16 units, is searched in parts of at most this, cut at line breaks or spaces. */
  reach?: number;
  /** Passes over what only looks like a secret. */
  isSecret?: (secret: string) => boolean;
}

/** A part of a text that is a secret, in UTF-16 units. */
export interface Finding {
  name: string;
  start: number;
  end: number;
}

/**
 * How often one rule is applied to one text; what follows is taken for a secret as a whole. RE2 takes linear time for one
 * search, so only their number, and how far each looks (`reach`), could make it more.
 */
export const MAX_FINDINGS = 10_000;

/** What a rule finds in a text, in order. `lowered` is the text in lower case. */
export function findingsOf(rule: RedactionRule, text: string, lowered: string): Finding[] {
  const { name, keywords, hint, pattern, reach = text.length, isSecret } = rule;
  const findings: Finding[] = [];
  if (keywords && !keywords.some((keyword) => lowered.includes(keyword))) return findings;
  if (hint && !hint.test(text)) return findings;
  const group = 'secret' in pattern.namedGroups() ? 'secret' : 0;
  for (let from = 0; from < text.length;) {
    const part = partOf(text, from, reach);
    const matcher = pattern.matcher(part);
    while (matcher.find()) {
      const [start, end] = [matcher.start(group), matcher.end(group)];
      if (start >= end || (isSecret && !isSecret(part.slice(start, end)))) continue;
      const isLast = findings.length === MAX_FINDINGS;
      findings.push({ name, start: from + start, end: isLast ? text.length : from + end });
      if (isLast) return findings;
    }
    from += part.length;
  }
  return findings;
}

function partOf(text: string, from: number, reach: number): string {
  if (text.length - from <= reach) return text.slice(from);
  const part = text.slice(from, from + reach);
  return part.slice(0, cutPlace(part));
}

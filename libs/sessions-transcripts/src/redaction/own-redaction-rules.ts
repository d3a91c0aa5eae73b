import { readFileSync } from 'node:fs';
import { RE2JS } from 're2js';
import { ConfigInvalid } from '@holdfast/platform-config';
import { isJsonObject } from '../projection/session-event.rules.js';
import { KNOWN_SECRETS } from './known-secrets.js';
import type { RedactionRule } from './redaction-rule.js';

const MAX_RULES = 200;
const MAX_PATTERN = 2_000;
/** How far a match may reach, in UTF-16 units, so that a pattern that looks far ahead each time cannot stall a worker. */
const REACH = 4096;
const NAME = /^[a-z0-9][a-z0-9_-]{0,39}$/;
const MEMBERS = ['name', 'pattern', 'flags'];
const FLAGS: Record<string, number> = { i: RE2JS.CASE_INSENSITIVE, m: RE2JS.MULTILINE, s: RE2JS.DOTALL };

/**
 * The rules of an installation, from the JSON file that REDACTION_RULES names; none without it. The file is a list of at
 * most 200 `{name, pattern, flags?}`, the pattern in RE2's syntax, flags of `i`, `m`, `s`. Throws ConfigInvalid with all
 * that is wrong.
 */
export function readRedactionRules(file: string | undefined): RedactionRule[] {
  if (file === undefined) return [];
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigInvalid(`REDACTION_RULES cannot be read: ${(error as Error).message}`);
  }
  return parseRedactionRules(text);
}

export function parseRedactionRules(text: string): RedactionRule[] {
  const list = listOf(text);
  const rules: RedactionRule[] = [];
  const problems: string[] = [];
  const names = new Set(KNOWN_SECRETS.map(({ name }) => name));
  for (const [index, each] of list.entries()) {
    const rule = ruleOf(each, names);
    if (typeof rule === 'string') {
      problems.push(`  rule ${index + 1}: ${rule}`);
    } else {
      names.add(rule.name);
      rules.push(rule);
    }
  }
  if (problems.length > 0) throw new ConfigInvalid(`REDACTION_RULES is not valid:\n${problems.join('\n')}`);
  return rules;
}

function listOf(text: string): unknown[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new ConfigInvalid(`REDACTION_RULES is not JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(list)) throw new ConfigInvalid('REDACTION_RULES must hold a list of {name, pattern, flags?}');
  if (list.length > MAX_RULES) throw new ConfigInvalid(`REDACTION_RULES may hold at most ${MAX_RULES} rules`);
  return list;
}

/** The rule, or what is wrong with it. */
function ruleOf(given: unknown, names: ReadonlySet<string>): RedactionRule | string {
  if (!isJsonObject(given)) return 'must be an object {name, pattern, flags?}';
  const unknown = Object.keys(given).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined) return `has an unknown member "${unknown}"`;
  const { name, pattern, flags = '' } = given;
  if (typeof name !== 'string' || !NAME.test(name)) {
    return 'name must be 1 to 40 of a-z, 0-9, "_" and "-", and begin with a letter or digit';
  }
  if (names.has(name)) return `the name "${name}" is taken, by another rule or a built-in one`;
  if (typeof pattern !== 'string' || pattern === '' || pattern.length > MAX_PATTERN) {
    return `pattern must be a text of 1 to ${MAX_PATTERN} characters`;
  }
  if (typeof flags !== 'string' || !/^(?!.*(.).*\1)[ims]*$/.test(flags)) return 'flags must be some of i, m and s';
  return compiled(name, pattern, flags);
}

function compiled(name: string, pattern: string, flags: string): RedactionRule | string {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(
      pattern,
      [...flags].reduce((sum, flag) => sum | FLAGS[flag]!, 0),
    );
  } catch (error) {
    return `pattern is not one of RE2 (https://github.com/google/re2/wiki/Syntax): ${(error as Error).message}`;
  }
  return compiled.matches('') ? 'pattern matches empty text' : { name, pattern: compiled, reach: REACH };
}

import fc from 'fast-check';
import { MAX_MESSAGE_BYTES } from '../src/projection/open-run.rules.js';
import { MAX_TERMINAL_OUTPUT } from '../src/projection/terminal-output.rules.js';
import type { JsonObject } from '../src/projection/session-event.rules.js';
import { project, startOfLog } from '../src/projection/transcript-projection.rules.js';
import { parseRedactionRules } from '../src/redaction/own-redaction-rules.js';
import { MAX_FINDINGS, type RedactionRule } from '../src/redaction/redaction-rule.js';
import { Redactor } from '../src/redaction/redactor.js';
import { call, callUpdate, event, logOf, say, think, update, type UnplacedEvent } from './session-events.js';
import {
  GITHUB_TOKEN,
  HOLDFAST_KEY,
  JWT,
  NO_SECRETS,
  picked,
  PRIVATE_KEY,
  SECRETS,
  SECRETS_IN_PLACE,
} from './secrets.js';

const own = (...rules: object[]) => parseRedactionRules(JSON.stringify(rules));

/** What becomes of a content. */
function redact(content: JsonObject, rules: readonly RedactionRule[] = []): JsonObject {
  const [record] = project(startOfLog(), logOf(event('turn.queued', { prompt: 'x' }))).records;
  return new Redactor(rules).redact({ ...record!, content }).content;
}

function redactText(text: string, rules: readonly RedactionRule[] = []): unknown {
  return redact({ text }, rules).text;
}

/** The contents of the records of some events, as they are written. */
function contentsOf(...events: UnplacedEvent[]): JsonObject[] {
  const { records } = project(startOfLog(), logOf(...events, event('turn.completed')));
  return records.map((record) => new Redactor([]).redact(record).content);
}

describe('a secret of a known format', () => {
  it.each(SECRETS)('%s is replaced, and nothing around it: %.20s…', (rule, secret) => {
    expect(redactText(secret)).toBe(`[redacted:${rule}]`);
    expect(redactText(`before "${secret}" after`)).toBe(`before "[redacted:${rule}]" after`);
    expect(redactText(`KEY=${secret}\nNEXT=1`)).toBe(`KEY=[redacted:${rule}]\nNEXT=1`);
  });

  it.each(SECRETS_IN_PLACE)('%s is replaced where it stands after %j', (rule, before, secret, after) => {
    expect(redactText(before + secret + after)).toBe(`${before}[redacted:${rule}]${after}`);
  });

  it.each(NO_SECRETS)('is not %s', (_, text) => {
    expect(redactText(text)).toBe(text);
    expect(redactText(`x ${text} y`)).toBe(`x ${text} y`);
  });

  it('is found each time, also with one character between two', () => {
    const count = 25;
    expect(redactText(Array(count).fill(GITHUB_TOKEN).join(' '))).toBe(
      Array(count).fill('[redacted:github_token]').join(' '),
    );
  });

  it('is one with another kind that it overlaps', () => {
    expect(redactText(`Authorization: Bearer ${GITHUB_TOKEN}`)).toBe('Authorization: Bearer [redacted:github_token]');
    expect(redactText(`https://x:${GITHUB_TOKEN}@github.com/a`)).toBe('https://x:[redacted:github_token]@github.com/a');
  });

  it('is taken out of a private key of which only the end is there', () => {
    const end = PRIVATE_KEY.slice(PRIVATE_KEY.indexOf('\n') + 20);
    expect(redactText(`${end}\nbye`)).toBe('[redacted:private_key]\nbye');
  });
});

describe('a record', () => {
  it('has no secret in what a person, an agent, a tool and an error said', () => {
    const contents = contentsOf(
      event('turn.queued', { prompt: [{ type: 'text', text: `use ${GITHUB_TOKEN}` }], by_id: 'u' }),
      say(`using ${GITHUB_TOKEN}`),
      think(`hm, ${GITHUB_TOKEN}`),
      call('a', { title: `echo ${GITHUB_TOKEN}`, rawInput: { command: ['echo', GITHUB_TOKEN] } }),
      callUpdate('a', { status: 'failed', rawOutput: { lines: [{ text: GITHUB_TOKEN, n: 1, ok: null }] } }),
      update('plan', { entries: [{ content: GITHUB_TOKEN }] }),
      event('interaction.requested', { interaction_id: 'i', request: { title: GITHUB_TOKEN } }),
      event('interaction.cancelled', { interaction_id: 'i', reason: GITHUB_TOKEN }),
      event('turn.failed', { error: { detail: `401 with ${GITHUB_TOKEN}` } }),
    );
    expect(contents).toHaveLength(8);
    expect(JSON.stringify(contents)).not.toContain('ghp_');
    expect(contents).toContainEqual({ prompt: [{ type: 'text', text: 'use [redacted:github_token]' }], by_id: 'u' });
    expect(contents).toContainEqual({
      status: 'failed',
      tool_call: {
        toolCallId: 'a',
        title: 'echo [redacted:github_token]',
        rawInput: { command: ['echo', '[redacted:github_token]'] },
        status: 'failed',
        rawOutput: { lines: [{ text: '[redacted:github_token]', n: 1, ok: null }] },
      },
    });
  });

  it('has no secret in the names of members, and keeps each member', () => {
    const other = `ghp_${picked(36, 'abcdefgh')}`;
    expect(redact({ seen: { [GITHUB_TOKEN]: 1, [other]: 2, rest: 3 } })).toEqual({
      seen: { '[redacted:github_token]': 1, '[redacted:github_token] (2)': 2, rest: 3 },
    });
  });

  it('has no value of a member that holds nothing but a secret', () => {
    const headers = {
      Authorization: 'Basic abc',
      'x-api-key': ['one'],
      accept: 'text/html',
      'Proxy-Authorization': '',
    };
    expect(redact({ headers, SecretAccessKey: 'short' })).toEqual({
      headers: {
        Authorization: '[redacted:authorization]',
        'x-api-key': ['[redacted:api_key_header]'],
        accept: 'text/html',
        'Proxy-Authorization': '',
      },
      SecretAccessKey: '[redacted:aws_secret_key]',
    });
  });

  it('has no secret that came in pieces, however it was split', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(HOLDFAST_KEY.length), { maxLength: 8 }), (cuts) => {
        const text = `key: ${HOLDFAST_KEY}!`;
        const places = [0, ...cuts.sort((a, b) => a - b), text.length];
        const pieces = places.slice(1).map((end, index) => say(text.slice(places[index], end)));
        const [message] = contentsOf(...pieces);
        expect(message!.blocks).toEqual([{ type: 'text', text: 'key: [redacted:holdfast_key]!' }]);
      }),
    );
  });

  it('has no half of a secret where a message is cut for its length', () => {
    const line = `${'x'.repeat(1000)}\n`;
    const filler = line.repeat(Math.floor(MAX_MESSAGE_BYTES / line.length));
    const [head, rest] = [GITHUB_TOKEN.slice(0, 20), GITHUB_TOKEN.slice(20)];
    const contents = contentsOf(say(filler), say(`token: ${head}`), say(`${rest}${'.'.repeat(2000)}`));
    const texts = contents.flatMap(({ blocks }) => (blocks ?? []) as { text: string }[]).map(({ text }) => text);
    expect(texts).toEqual([filler, `token: [redacted:github_token]${'.'.repeat(2000)}`]);
  });

  it('has no half of a secret where the output of a terminal is cut', () => {
    const print = (data: string) => callUpdate('a', { _meta: { terminal_output: { terminal_id: 'a', data } } });
    const rest = `\n${'y'.repeat(MAX_TERMINAL_OUTPUT - 21)}`;
    const [record] = contentsOf(print(`token: ${GITHUB_TOKEN}`), print(rest), callUpdate('a', { status: 'completed' }));
    const { _meta } = record!.tool_call as { _meta: { terminal_output: { data: string } } };
    expect(_meta.terminal_output.data).toBe(rest.slice(1));
  });

  it('keeps a file in base64 as it is, whatever the rules are', () => {
    const data = picked(4000);
    const content = { blocks: [{ type: 'image', mimeType: 'image/png', data }, `data:image/png;base64,${data}`] };
    expect(redact(content, own({ name: 'forty', pattern: '[A-Za-z0-9]{40}' }))).toEqual(content);
  });

  it('stays as it is when there is no secret in it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (content) => {
        expect(redact(content as JsonObject)).toEqual(content);
      }),
    );
  });

  it('changes no more when it is redacted again, whatever is in it and whatever the rules are', () => {
    const rules = own(
      { name: 'first', pattern: '^[a-f]' },
      { name: 'last', pattern: 'x$' },
      { name: 'wide', pattern: 'b.*e', flags: 's' },
      { name: 'word', pattern: String.raw`\bno\b`, flags: 'i' },
      { name: 'own', pattern: 'redacted|[0-9]{3}|:' },
    );
    const part = fc.oneof(
      fc.constantFrom(GITHUB_TOKEN, JWT, HOLDFAST_KEY, PRIVATE_KEY, '[redacted:', ']', '[redacted:first]', 'no', '\n'),
      fc.constantFrom(...SECRETS.map(([, secret]) => secret), 'Bearer ', 'Authorization: ', '\ud83d', '123'),
      fc.string({ unit: fc.constantFrom('a', 'b', 'e', 'x', ' ', '-'), maxLength: 12 }),
    );
    const text = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));
    const value = fc.letrec((tie) => ({
      any: fc.oneof({ maxDepth: 3 }, text, fc.array(tie('any'), { maxLength: 3 }), tie('object')),
      object: fc.dictionary(fc.oneof(text, fc.constant('authorization')), tie('any'), { maxKeys: 3 }),
    })).object as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(value, (content) => {
        const once = redact(content, rules);
        expect(redact(once, rules)).toEqual(once);
      }),
      { numRuns: 300 },
    );
  });
});

describe("the installation's own rules", () => {
  it('replace what they match, or the group that they name secret', () => {
    const rules = own(
      { name: 'customer', pattern: 'ACME-[0-9]{6}' },
      { name: 'password', pattern: String.raw`password\s*[:=]\s*(?P<secret>\S+)`, flags: 'i' },
    );
    expect(redactText('ACME-123456, Password: hunter2 ok', rules)).toBe(
      '[redacted:customer], Password: [redacted:password] ok',
    );
  });

  it('cannot take exponential time', () => {
    const rules = own({ name: 'nested', pattern: '(a+)+b' });
    const text = `${'a'.repeat(100_000)}c`;
    expect(redactText(text, rules)).toBe(text);
  });

  it('search a long text in parts of whole lines, so that none looks ever further', () => {
    const rules = own(
      { name: 'far', pattern: 'key [^!]*!|key', flags: 's' },
      { name: 'line', pattern: '^id-[0-9]+$', flags: 'm' },
    );
    const line = `key ${'x'.repeat(95)}\nid-7\n`;
    const redacted = `[redacted:far]${line.slice(3)}`.replace('id-7', '[redacted:line]');
    expect(redactText(line.repeat(1000), rules)).toBe(redacted.repeat(1000));
    const long = `${'x'.repeat(5000)}!`;
    expect(redactText(`key ${long}`, rules)).toBe(`[redacted:far] ${long}`);
  });

  it('take the rest of a text when they match too often, and end a search that finds ever more', () => {
    const rules = own({ name: 'letter', pattern: 'a' }, { name: 'first', pattern: '^b' });
    const often = redactText('.a'.repeat(MAX_FINDINGS + 2), rules) as string;
    expect(often.endsWith('.[redacted:letter].[redacted:letter]')).toBe(true);
    expect(often.split('[redacted:letter]')).toHaveLength(MAX_FINDINGS + 2);
    expect(redactText('b'.repeat(1000), rules)).toBe('[redacted:first]'.repeat(8));
  });

  it.each([
    ['no JSON', '{', 'REDACTION_RULES is not JSON: '],
    ['no list', '{}', 'REDACTION_RULES must hold a list of {name, pattern, flags?}'],
    ['too many', JSON.stringify(Array(201).fill({})), 'at most 200 rules'],
    ['no object', '[1]', 'rule 1: must be an object'],
    ['an unknown member', '[{"name":"a","pattern":"b","flag":"i"}]', 'rule 1: has an unknown member "flag"'],
    ['a bad name', '[{"name":"A b","pattern":"b"}]', 'rule 1: name must be'],
    ['a name twice', '[{"name":"a","pattern":"b"},{"name":"a","pattern":"c"}]', 'rule 2: the name "a" is taken'],
    ['a name of ours', '[{"name":"jwt","pattern":"b"}]', 'rule 1: the name "jwt" is taken'],
    ['no pattern', '[{"name":"a"}]', 'rule 1: pattern must be a text'],
    ['a long pattern', JSON.stringify([{ name: 'a', pattern: 'b'.repeat(2001) }]), 'of 1 to 2000 characters'],
    ['a pattern that is none', '[{"name":"a","pattern":"("}]', 'rule 1: pattern is not one of RE2'],
    ['a backreference', String.raw`[{"name":"a","pattern":"(b)\\1"}]`, 'rule 1: pattern is not one of RE2'],
    ['a pattern of nothing', '[{"name":"a","pattern":"b*"}]', 'rule 1: pattern matches empty text'],
    ['unknown flags', '[{"name":"a","pattern":"b","flags":"g"}]', 'rule 1: flags must be some of i, m and s'],
  ])('are refused with %s', (_, text, message) => {
    expect(() => parseRedactionRules(text)).toThrow(message);
  });

  it('are refused with every problem at once', () => {
    expect(() => parseRedactionRules('[{"name":"a","pattern":"("},{"name":"B","pattern":"c"}]')).toThrow(
      /rule 1: .*\n {2}rule 2: /,
    );
  });
});

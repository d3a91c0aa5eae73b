import { Injectable } from '@nestjs/common';
import type { NewRecord } from '../projection/new-record.rules.js';
import { isJsonObject, type JsonObject } from '../projection/session-event.rules.js';
import { KNOWN_SECRETS } from './known-secrets.js';
import { placeholderOf, redactText } from './redact-text.js';
import type { RedactionRule } from './redaction-rule.js';

/** Members whose whole value is a secret, by their name in lower case without `-` and `_`; the rule that they stand for. */
const SECRET_MEMBERS = new Map([
  ['authorization', 'authorization'],
  ['proxyauthorization', 'authorization'],
  ['xapikey', 'api_key_header'],
  ['secretaccesskey', 'aws_secret_key'],
  ['awssecretaccesskey', 'aws_secret_key'],
]);

/** Files in base64, bare or as a `data:` URL (RFC 2397): nothing can be read in them as it stands. */
const BASE64 = /^(?:data:[\w.+/-]{1,128};base64,)?[A-Za-z0-9+/]*={0,2}$/;
const LONG = 1024;

/** Takes secrets out of records, by the known formats and the rules of the installation. */
@Injectable()
export class Redactor {
  private readonly rules: readonly RedactionRule[];

  constructor(ownRules: readonly RedactionRule[]) {
    this.rules = [...KNOWN_SECRETS, ...ownRules];
  }

  /** The same record with placeholders for secrets. Redacting again changes nothing. */
  redact(record: NewRecord): NewRecord {
    return { ...record, content: this.object(record.content) };
  }

  private value(value: unknown, secretMember?: string): unknown {
    if (typeof value === 'string') return secretMember ? wholly(value, secretMember) : this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.value(item, secretMember));
    return isJsonObject(value) ? this.object(value) : value;
  }

  private object(object: JsonObject): JsonObject {
    const taken = new Set<string>();
    const members = Object.entries(object).map(([name, value]) => {
      const secretMember = SECRET_MEMBERS.get(name.toLowerCase().replaceAll(/[-_]/g, ''));
      return [apart(this.text(name), taken), this.value(value, secretMember)];
    });
    return Object.fromEntries(members) as JsonObject;
  }

  private text(text: string): string {
    if (text.length >= LONG && BASE64.test(text)) return text;
    return redactText(text, this.rules);
  }
}

function wholly(value: string, rule: string): string {
  return value.trim() === '' ? value : placeholderOf(rule);
}

/** Two members may become the same by what was taken out; each must stay. */
function apart(name: string, taken: Set<string>): string {
  let own = name;
  for (let count = 2; taken.has(own); count += 1) own = `${name} (${count})`;
  taken.add(own);
  return own;
}

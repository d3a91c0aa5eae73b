import { findingsOf, type Finding, type RedactionRule } from './redaction-rule.js';

const PLACEHOLDER = /(\[redacted:[a-z0-9][a-z0-9_-]{0,39}\])/;
/** After so many passes a part of a text in which there still is something is taken for a secret as a whole. */
const MAX_PASSES = 8;

export function placeholderOf(name: string): string {
  return `[redacted:${name}]`;
}

/**
 * The text with a placeholder in place of each secret. Placeholders are never searched, and what is between them is
 * searched until nothing is found, so that redacting again changes nothing.
 */
export function redactText(text: string, rules: readonly RedactionRule[]): string {
  let redacted = text;
  for (let pass = 1; pass <= MAX_PASSES; pass += 1) {
    const before = redacted;
    redacted = redactOnce(before, rules, pass === MAX_PASSES);
    if (redacted === before) break;
  }
  return redacted;
}

function redactOnce(text: string, rules: readonly RedactionRule[], wholly: boolean): string {
  // The capture puts the placeholders at the odd places.
  const parts = text
    .split(PLACEHOLDER)
    .map((part, index) => (index % 2 === 1 ? part : redactPart(part, rules, wholly)));
  return parts.join('');
}

function redactPart(part: string, rules: readonly RedactionRule[], wholly: boolean): string {
  if (part === '') return part;
  const lowered = part.toLowerCase();
  const findings = rules.flatMap((rule) => findingsOf(rule, part, lowered));
  if (findings.length === 0) return part;
  if (wholly) return placeholderOf(findings[0]!.name);

  let redacted = '';
  let end = 0;
  for (const finding of joined(findings)) {
    redacted += part.slice(end, finding.start) + placeholderOf(finding.name);
    end = finding.end;
  }
  return redacted + part.slice(end);
}

/** What overlaps is one secret, named by the first rule of the longest that begins first. */
function joined(findings: Finding[]): Finding[] {
  const inOrder = findings.sort((a, b) => a.start - b.start || b.end - a.end);
  const apart: Finding[] = [];
  for (const finding of inOrder) {
    const last = apart.at(-1);
    if (last && finding.start < last.end) last.end = Math.max(last.end, finding.end);
    else apart.push({ ...finding });
  }
  return apart;
}

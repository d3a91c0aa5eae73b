import { oneLine, printable } from './printable.js';
import type { Style } from './style.js';
import { contentText, list, record, string, type Json } from './wire.js';

const SHOWN_LINES = 12;

export type Decision = 'allow' | 'allow_always' | 'deny';

export interface Choice {
  decision: Decision;
  label: string;
  letter: string;
}

const LETTERS: Record<Decision, string> = { allow: 'y', allow_always: 'a', deny: 'n' };

/** The words of the command line for each decision. */
export const DECISION_WORDS: Record<string, Decision> = {
  allow: 'allow',
  deny: 'deny',
  always: 'allow_always',
};

/** What is asked and what it is about, from the `request` of an interaction. */
export function questionLines(request: unknown, style: Style): string[] {
  const call = record(record(request)['tool_call']);
  const title = oneLine(string(call['title'])) || 'a tool call without a title';
  return [style.attention(`? The agent asks for permission: ${title}`), ...subject(call).map((text) => `  ${text}`)];
}

/** One choice for each decision that the agent's options allow; a denial is always possible. */
export function choicesOf(request: unknown): Choice[] {
  const options = list(record(request)['options']);
  const labelOf = (...kinds: string[]) => {
    const option = kinds.flatMap((kind) => options.filter((candidate) => candidate['kind'] === kind))[0];
    return option && (oneLine(string(option['name']), 60) || string(option['kind']));
  };
  const labels: [Decision, string | undefined][] = [
    ['allow', labelOf('allow_once')],
    ['allow_always', labelOf('allow_always')],
    ['deny', labelOf('reject_once', 'reject_always') ?? 'Deny'],
  ];
  return labels.flatMap(([decision, label]) => (label ? [{ decision, label, letter: LETTERS[decision] }] : []));
}

export function choiceLines(choices: Choice[]): string[] {
  return choices.map(({ label, letter }, index) => `  ${index + 1}) ${label} (${letter})`);
}

/** The choice that a typed answer names, by number or letter. */
export function choiceNamed(answer: string, choices: Choice[]): Choice | undefined {
  const word = answer.trim().toLowerCase();
  return choices.find(({ letter }, index) => word === letter || word === String(index + 1));
}

/** The command, or the files and what changes in them: whoever decides must see it. */
function subject(call: Json): string[] {
  const { command } = record(call['rawInput']);
  const typed = Array.isArray(command) ? command.map(String).join(' ') : string(command);
  const commandLines = typed ? capped(printable(`$ ${typed}`).split('\n')) : [];
  return [...commandLines, ...list(call['content']).flatMap(contentLines)];
}

function contentLines(content: Json): string[] {
  if (content['type'] === 'content') return capped(splitLines(contentText(content['content'])));
  if (content['type'] !== 'diff') return [];
  const removed = splitLines(string(content['oldText'])).map((text) => `- ${text}`);
  const added = splitLines(string(content['newText'])).map((text) => `+ ${text}`);
  return [printable(string(content['path'])), ...capped(removed), ...capped(added)];
}

const splitLines = (text: string) => (text ? printable(text).replace(/\n$/, '').split('\n') : []);

function capped(texts: string[]): string[] {
  if (texts.length <= SHOWN_LINES) return texts;
  return [...texts.slice(0, SHOWN_LINES), `… and ${texts.length - SHOWN_LINES} more lines`];
}

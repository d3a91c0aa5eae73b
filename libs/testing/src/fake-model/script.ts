import { prompts } from './conversation.js';
import type { ConversationItem, ModelCall, ModelReply, ReplyPart } from './conversation.js';

/** How a harness runs a command line: with its own permissions, or in the form that asks a person first. */
export type ShellCall = (command: string, asking: boolean) => ModelCall;

type Directive = ReplyPart | { shell: string; asking: boolean } | { fail: number };

const directivePattern = /\[\[tool:(\S+)\s+(?=\{)|\[\[(sh|ask|say|sleep|fail):([\s\S]*?)\]\](?!\])/g;

/**
 * What the model answers next: a function of the conversation alone, so that any process, any harness and any resumed
 * copy of a conversation gets the same answer.
 *
 * The last prompt steers it: `[[sh:CMD]]` and `[[ask:CMD]]` run a command, `[[tool:NAME {json}]]` calls a tool,
 * `[[say:TEXT]]` speaks, `[[sleep:MS]]` waits, `[[fail:STATUS]]` answers with an HTTP error. Calls go one after the
 * other: each answer ends at a call, the next goes on behind it. With nothing left to say it tells what it was sent:
 * `FAKE-REPLY turn=N sees=[prompt | prompt] tool=[end of the last result]`.
 */
export function nextReply(conversation: ConversationItem[], shell: ShellCall): ModelReply {
  const asked = conversation.findLastIndex((item) => item.role === 'user');
  const sincePrompt = conversation.slice(asked + 1);
  const directives = readDirectives(conversation[asked]?.text ?? '');
  let callsDone = sincePrompt.filter((item) => item.kind === 'call').length;

  const parts: ReplyPart[] = [];
  for (const directive of directives) {
    const call =
      'shell' in directive ? shell(directive.shell, directive.asking) : 'call' in directive && directive.call;
    if (callsDone > 0) {
      if (call) callsDone -= 1;
      continue;
    }
    if ('fail' in directive) return { parts, fail: directive.fail };
    if (call) return { parts: [...parts, { call }] };
    parts.push(directive as ReplyPart);
  }
  if (!parts.some((part) => 'say' in part)) parts.push({ say: describe(conversation) });
  return { parts };
}

/** Reads the directives of a prompt, in order. Throws a SyntaxError on arguments that are not JSON. */
function readDirectives(prompt: string): Directive[] {
  const directives: Directive[] = [];
  const pattern = new RegExp(directivePattern);
  for (let match = pattern.exec(prompt); match; match = pattern.exec(prompt)) {
    const [, tool, name, body = ''] = match;
    if (tool) {
      const { input, end } = readArguments(prompt, pattern.lastIndex);
      directives.push({ call: { name: tool, input } });
      pattern.lastIndex = end;
    } else {
      directives.push(plainDirective(name, body));
    }
  }
  return directives;
}

/** Arguments may hold "}]]" themselves, as in the prompt of another agent: they end where they are whole. */
function readArguments(prompt: string, from: number): { input: Record<string, unknown>; end: number } {
  for (let at = prompt.indexOf('}]]', from); at !== -1; at = prompt.indexOf('}]]', at + 1)) {
    try {
      const input = JSON.parse(prompt.slice(from, at + 1)) as Record<string, unknown>;
      return { input, end: at + '}]]'.length };
    } catch {
      // They go on behind these brackets.
    }
  }
  throw new SyntaxError(`No arguments in JSON that end in ]]: ${prompt.slice(from, from + 100)}`);
}

function plainDirective(name: string | undefined, body: string): Directive {
  switch (name) {
    case 'say':
      return { say: body };
    case 'sleep':
      return { sleep: Number(body) };
    case 'fail':
      return { fail: Number(body) };
    default:
      return { shell: body, asking: name === 'ask' };
  }
}

function describe(conversation: ConversationItem[]): string {
  const seen = prompts(conversation);
  const result = conversation.findLast((item) => item.kind === 'result')?.text.trim() ?? '';
  return `FAKE-REPLY turn=${seen.length} sees=[${seen.join(' | ')}] tool=[${result.slice(-200)}]`;
}

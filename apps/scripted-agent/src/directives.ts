/** One thing that a prompt makes the agent do. */
export type Step =
  | { do: 'text' | 'say' | 'think' | 'stderr'; text: string }
  | { do: 'plan'; entries: string[] }
  | { do: 'stream'; count: number; everyMs: number }
  | { do: 'flood' | 'noise' | 'spawn'; count: number }
  | { do: 'eat'; mebibytes: number }
  | { do: 'tool' | 'ask'; title: string }
  | { do: 'call'; tool: string; input: Record<string, unknown> }
  | { do: 'write'; path: string; text: string }
  | { do: 'fail'; message: string }
  | { do: 'usage'; tokens: number }
  | { do: 'hang' | 'listen' | 'deaf' | 'crash' | 'fork' | 'daemon' | 'recall' };

/** A directive whose arguments cannot be used; the message says which and why. */
export class DirectiveError extends Error {}

interface Directive {
  usage: string;
  meaning: string;
  /** `argument` is what follows the first colon, `''` when there is none. */
  parse: (argument: string) => Step;
}

/** Every directive, in the order in which `--help` lists them. */
export const directives: Readonly<Record<string, Directive>> = {
  say: {
    usage: 'say:TEXT',
    meaning: 'one message chunk',
    parse: (text) => ({ do: 'say', text: needed(text, 'TEXT') }),
  },
  think: {
    usage: 'think:TEXT',
    meaning: 'one thought chunk',
    parse: (text) => ({ do: 'think', text: needed(text, 'TEXT') }),
  },
  plan: {
    usage: 'plan:A|B|C',
    meaning: 'a plan with these entries, all pending',
    parse: (entries) => ({ do: 'plan', entries: needed(entries, 'A|B|C').split('|') }),
  },
  stream: {
    usage: 'stream:N:MS',
    meaning: 'N message chunks "chunk 1 ", "chunk 2 " …, one every MS milliseconds',
    parse: parseStream,
  },
  flood: {
    usage: 'flood:N',
    meaning: 'N message chunks of 1 KiB, each beginning with its number, as fast as they are read',
    parse: (count) => ({ do: 'flood', count: wholeNumber(count, 'N') }),
  },
  tool: {
    usage: 'tool:TITLE',
    meaning: 'a tool call: pending, in progress, completed with output',
    parse: (title) => ({ do: 'tool', title: needed(title, 'TITLE') }),
  },
  ask: {
    usage: 'ask:TITLE',
    meaning: 'a tool call that asks for permission first; "always" is remembered for this title in this session',
    parse: (title) => ({ do: 'ask', title: needed(title, 'TITLE') }),
  },
  call: {
    usage: 'call:TOOL {JSON}',
    meaning: 'calls that tool of an MCP server that the session was given; its answer is the output of the tool call',
    parse: parseCall,
  },
  write: {
    usage: 'write:PATH:TEXT',
    meaning: 'asks for permission, then writes TEXT to PATH inside the working directory',
    parse: parseWrite,
  },
  recall: {
    usage: 'recall',
    meaning: 'says the earlier prompts of this session, one numbered line each',
    parse: () => ({ do: 'recall' }),
  },
  usage: {
    usage: 'usage:N',
    meaning: 'reports N tokens, half of them output, when the turn ends',
    parse: (tokens) => ({ do: 'usage', tokens: wholeNumber(tokens, 'N') }),
  },
  stderr: {
    usage: 'stderr:TEXT',
    meaning: 'one line on stderr',
    parse: (text) => ({ do: 'stderr', text: needed(text, 'TEXT') }),
  },
  fork: {
    usage: 'fork',
    meaning: 'starts a child process in the same process group and says its pid; it outlives the agent by up to 10 min',
    parse: () => ({ do: 'fork' }),
  },
  spawn: {
    usage: 'spawn:N',
    meaning: 'starts N such children and says how many',
    parse: (count) => ({ do: 'spawn', count: wholeNumber(count, 'N') }),
  },
  daemon: {
    usage: 'daemon',
    meaning:
      'starts a process that leaves the group and the tree (setsid, parent gone), ignores SIGTERM, and says its pid',
    parse: () => ({ do: 'daemon' }),
  },
  eat: {
    usage: 'eat:MIB',
    meaning: 'takes MIB mebibytes of memory and keeps them until the agent ends',
    parse: (size) => ({ do: 'eat', mebibytes: wholeNumber(size, 'MIB') }),
  },
  noise: {
    usage: 'noise:N',
    meaning: 'N lines of 1 KiB on stderr, as fast as they are read',
    parse: (count) => ({ do: 'noise', count: wholeNumber(count, 'N') }),
  },
  fail: {
    usage: 'fail:MESSAGE',
    meaning: 'ends the turn with a JSON-RPC error',
    parse: (message) => ({ do: 'fail', message: needed(message, 'MESSAGE') }),
  },
  crash: {
    usage: 'crash',
    meaning: 'the process exits with code 1, in the middle of the turn',
    parse: () => ({ do: 'crash' }),
  },
  hang: { usage: 'hang', meaning: 'waits until the turn is cancelled, at most 10 min', parse: () => ({ do: 'hang' }) },
  listen: {
    usage: 'listen',
    meaning: 'waits for a prompt that is handed in while this one runs, and plays it; at most 10 min',
    parse: () => ({ do: 'listen' }),
  },
  deaf: {
    usage: 'deaf',
    meaning: 'from here on ignores session/cancel, SIGTERM and a closed stdin; gives up after 10 min',
    parse: () => ({ do: 'deaf' }),
  },
};

// The look-ahead lets an argument end in a bracket: [[say:a[0]]] says "a[0]".
const directivePattern = /\[\[([a-z]+)(?::([\s\S]*?))?\]\](?!\])/g;

/**
 * Splits a prompt into steps. Blank text between directives is dropped, and brackets that name no directive are
 * text, so that an ordinary prompt is never misread. Throws DirectiveError.
 */
export function parseScript(prompt: string): Step[] {
  const steps: Step[] = [];
  let textFrom = 0;
  const takeText = (until: number) => {
    const text = prompt.slice(textFrom, until);
    if (text.trim()) steps.push({ do: 'text', text });
  };
  const pattern = new RegExp(directivePattern);
  for (let match = pattern.exec(prompt); match; match = pattern.exec(prompt)) {
    const [whole, name = '', argument = ''] = match;
    if (!Object.hasOwn(directives, name)) continue;
    takeText(match.index);
    const [step, end] = withJson(prompt, match.index) ?? [parseDirective(name, argument), match.index + whole.length];
    steps.push(step);
    pattern.lastIndex = textFrom = end;
  }
  takeText(prompt.length);
  return steps;
}

/** The JSON of a call may hold prompts with directives of their own, so it ends where it is whole. */
function withJson(prompt: string, from: number): [step: Step, end: number] | undefined {
  if (!prompt.startsWith('[[call:', from)) return undefined;
  for (let at = prompt.indexOf('}]]', from); at !== -1; at = prompt.indexOf('}]]', at + 1)) {
    try {
      return [parseCall(prompt.slice(from + '[[call:'.length, at + 1)), at + '}]]'.length];
    } catch {
      // It goes on behind these brackets.
    }
  }
  return undefined;
}

function parseCall(argument: string): Step {
  const [tool = '', json = '{}'] = argument.split(/\s+(.*)/s);
  let input: unknown;
  try {
    input = JSON.parse(json);
  } catch {
    throw new DirectiveError('needs an object of JSON behind TOOL, or nothing');
  }
  if (!tool || typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new DirectiveError('needs TOOL, and an object of JSON behind it, or nothing');
  }
  return { do: 'call', tool, input: input as Record<string, unknown> };
}

function parseDirective(name: string, argument: string): Step {
  const { usage, parse } = directives[name] as Directive;
  try {
    return parse(argument);
  } catch (error) {
    throw error instanceof DirectiveError ? new DirectiveError(`[[${usage}]]: ${error.message}`) : error;
  }
}

function parseStream(argument: string): Step {
  const [count = '', everyMs = ''] = argument.split(':');
  return { do: 'stream', count: wholeNumber(count, 'N'), everyMs: wholeNumber(everyMs, 'MS') };
}

function parseWrite(argument: string): Step {
  const colon = argument.indexOf(':');
  if (colon < 1) throw new DirectiveError('needs PATH:TEXT');
  return { do: 'write', path: argument.slice(0, colon), text: argument.slice(colon + 1) };
}

function needed(argument: string, what: string): string {
  if (!argument) throw new DirectiveError(`needs ${what}`);
  return argument;
}

function wholeNumber(argument: string, what: string): number {
  if (!/^\d{1,6}$/.test(argument)) throw new DirectiveError(`${what} is a whole number up to 999999`);
  return Number(argument);
}

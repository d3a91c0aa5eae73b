import { readFileSync } from 'node:fs';
import { CLI_DIALECTS } from './cli-dialects.js';
import { isRecord } from './cli-output.js';

/** A program and its arguments, with `{prompt}`, `{native_id}` and `{cwd}` to be filled in. Never given to a shell. */
export type CommandTemplate = readonly [string, ...string[]];

interface Templates {
  fresh?: CommandTemplate;
  resume?: CommandTemplate;
}

/** The commands of one harness that an operator replaces; `bypass` for turns that may ask nobody. */
export interface HarnessTemplates extends Templates {
  bypass?: Templates;
}

/** By harness. What is left out is as the harness's own. */
export type HarnessCommands = Readonly<Record<string, HarnessTemplates>>;

const placeholder = /\{(\w+)\}/g;
const placeholders = ['prompt', 'native_id', 'cwd'];
/** What lets an agent act without asking; only for `bypass`. */
const bypassing =
  /^--(dangerously-|allow-dangerously-|yolo)|^-y$|^--auto$|bypassPermissions|danger-full-access|^(--approval-mode=)?yolo$/;

/** Reads HOLDFAST_HARNESS_COMMANDS, the path of a JSON file. `problem` is told each thing that is wrong, in a sentence. */
export function readHarnessCommands(path: string | undefined, problem: (text: string) => void): HarnessCommands {
  if (path === undefined) return {};
  const say = (text: string) => problem(`HOLDFAST_HARNESS_COMMANDS (${path}): ${text}`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    say(`it cannot be read as JSON: ${(error as Error).message}.`);
    return {};
  }
  if (!isRecord(content)) {
    say('it must be an object of harnesses.');
    return {};
  }
  for (const [harness, templates] of Object.entries(content)) checkHarness(harness, templates, say);
  return content as HarnessCommands;
}

/** Fills a template in. The prompt goes by stdin where the template does not name it. */
export function filledIn(
  template: CommandTemplate,
  values: { prompt: string; native_id: string | null; cwd: string },
): { argv: [string, ...string[]]; stdin: string | null } {
  const known: Record<string, string> = { ...values, native_id: values.native_id ?? '' };
  // In one pass: what is filled in may itself look like a placeholder.
  const fill = (part: string) => part.replace(placeholder, (whole, name: string) => known[name] ?? whole);
  const argv = template.map(fill) as [string, ...string[]];
  return { argv, stdin: template.some((part) => part.includes('{prompt}')) ? null : values.prompt };
}

function checkHarness(harness: string, templates: unknown, say: (text: string) => void): void {
  const dialect = CLI_DIALECTS[harness];
  if (!dialect) return say(`"${harness}" is none of ${Object.keys(CLI_DIALECTS).join(', ')}.`);
  if (!isRecord(templates)) return say(`"${harness}" must be an object with "fresh", "resume" and "bypass".`);
  const { bypass, ...asking } = templates;
  checkTemplates(harness, asking, false, dialect.takesId, say);
  if (bypass === undefined) return;
  if (!isRecord(bypass)) return say(`"${harness}.bypass" must be an object with "fresh" and "resume".`);
  checkTemplates(`${harness}.bypass`, bypass, true, dialect.takesId, say);
}

function checkTemplates(
  where: string,
  templates: Record<string, unknown>,
  mayBypass: boolean,
  takesId: boolean,
  say: (text: string) => void,
): void {
  for (const [name, template] of Object.entries(templates)) {
    const here = `"${where}.${name}"`;
    if (name !== 'fresh' && name !== 'resume') {
      say(`${here} is not known; "fresh", "resume" and "bypass" are.`);
    } else if (!isTemplate(template)) {
      say(`${here} must be a list of the program and its arguments.`);
    } else {
      checkTemplate(here, template, mayBypass, name === 'resume' || takesId, say);
    }
  }
}

function checkTemplate(
  here: string,
  template: CommandTemplate,
  mayBypass: boolean,
  needsId: boolean,
  say: (text: string) => void,
): void {
  const named = template.flatMap((part) => [...part.matchAll(placeholder)].map(([, name]) => name!));
  for (const name of named.filter((one) => !placeholders.includes(one))) {
    say(`${here} has {${name}}; there are {prompt}, {native_id} and {cwd}.`);
  }
  if (needsId && !named.includes('native_id')) {
    say(`${here} needs {native_id}: without it a conversation would begin that nobody could go on with.`);
  }
  if (!needsId && named.includes('native_id')) {
    say(`${here} has {native_id}, but this harness chooses the id of a new conversation itself.`);
  }
  const bypass = mayBypass ? undefined : template.find((part) => bypassing.test(part));
  if (bypass !== undefined) {
    say(`${here} has ${bypass}, which lets the agent act without asking: that goes into "bypass".`);
  }
}

function isTemplate(value: unknown): value is CommandTemplate {
  return Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === 'string' && part !== '');
}

import { isFields, textOfBlocks, type Fields } from './text-blocks.js';

/** A tool call and what came of it, in words that every model's API has. */
export interface ToolUse {
  /** 1 to 64 of A-Z a-z 0-9 _ -. */
  name: string;
  /** The command line, where the call was one to a shell. */
  command: string | null;
  input: Fields;
  result: string;
  hasFailed: boolean;
}

/** Of a result; a line of a transcript must stay well below 16 MiB, however its text is escaped. */
const RESULT_LENGTH = 1024 * 1024;
const INPUT_LENGTH = 1024 * 1024;
const TITLE_LENGTH = 1000;
const NAME_LENGTH = 64;
const SHELLS = /(^|\/)(ba|z|da)?sh$/;

/** The call of a `tool_call` record: its `tool_call` is an ACP ToolCall with all updates merged. */
export function toolUseOf(content: Fields, omit: (reason: string) => void): ToolUse {
  const call = isFields(content.tool_call) ? content.tool_call : {};
  const { status } = content;
  const isWhole = status === 'completed' || status === 'failed';
  if (!isWhole) omit('The call was interrupted: its result is not known.');
  const ending = isWhole ? '' : '[The call was interrupted here. Whether it had run is not known.]';
  const parts = [resultOf(call, omit), ending].filter(Boolean);
  return {
    name: nameOf(call),
    command: commandOf(call),
    input: inputOf(call, omit),
    result: shortened(parts.join('\n'), omit),
    hasFailed: status !== 'completed',
  };
}

/** Names are no part of ACP v1; the adapters of Claude Code and of Codex tell theirs beside it. */
function nameOf(call: Fields): string {
  const meta = isFields(call._meta) ? call._meta : {};
  const claude = isFields(meta.claudeCode) ? meta.claudeCode.toolName : undefined;
  const known = [claude, call.name, call.kind].find((name) => typeof name === 'string') as string | undefined;
  return (known ?? '').replace(/[^A-Za-z0-9_-]/g, '_').slice(0, NAME_LENGTH) || 'tool';
}

function commandOf({ kind, rawInput }: Fields): string | null {
  if (kind !== 'execute' || !isFields(rawInput)) return null;
  const command = rawInput.command ?? rawInput.cmd;
  if (typeof command === 'string') return command;
  if (!Array.isArray(command) || !command.every((word) => typeof word === 'string')) return null;
  const [shell = '', option = '', script] = command;
  const isScript = command.length === 3 && SHELLS.test(shell) && /^-l?c$/.test(option);
  return isScript ? script! : command.map(quoted).join(' ');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** As the model gave it; where that was not told, what people were shown. */
function inputOf(call: Fields, omit: (reason: string) => void): Fields {
  const { rawInput, title, locations } = call;
  const changes = contentOf(call).filter(({ type }) => type === 'diff');
  const shown = { title, locations, ...(changes.length > 0 && { changes }) };
  const input = isFields(rawInput) ? rawInput : JSON.parse(JSON.stringify({ ...shown, input: rawInput }));
  if (JSON.stringify(input).length <= INPUT_LENGTH) return input;
  omit(`Its input is over ${INPUT_LENGTH} characters; only its title came over.`);
  return { title: withoutMiddle(String(title ?? ''), TITLE_LENGTH) };
}

/** What the model was told, where the adapter passed it on; else what people were shown. */
function resultOf(call: Fields, omit: (reason: string) => void): string {
  const { rawOutput } = call;
  if (typeof rawOutput === 'string') return rawOutput;
  if (Array.isArray(rawOutput)) return textOfBlocks(rawOutput, omit);
  const shown = contentOf(call).filter(({ type }) => type === 'content');
  const { printed, exit_code, isTruncated } = terminalOf(call);
  const isUnknown =
    printed === undefined && exit_code === undefined && contentOf(call).some(({ type }) => type === 'terminal');
  if (isUnknown) omit('What its terminal showed is not in the record.');
  if (isTruncated) omit('Only the end of what its terminal showed is in the record.');
  const text = [...shown.map(({ content }) => textOfBlocks([content], omit)), printed ?? ''].filter(Boolean).join('\n');
  if (text === '' && exit_code === undefined && isFields(rawOutput)) return JSON.stringify(rawOutput);
  return typeof exit_code === 'number' && exit_code !== 0 ? `${text}\n[exit code ${exit_code}]` : text;
}

/** Of a command: Codex's adapter tells what it printed beside the call, as it does to clients that show a terminal. */
function terminalOf({ _meta, rawOutput }: Fields): {
  printed: string | undefined;
  exit_code: unknown;
  isTruncated: boolean;
} {
  const { terminal_output, terminal_output_delta, terminal_exit } = isFields(_meta) ? _meta : ({} as Fields);
  const output = [terminal_output, terminal_output_delta].find(isFields);
  const exit = [rawOutput, terminal_exit].find(isFields);
  return {
    printed: typeof output?.data === 'string' ? output.data : undefined,
    exit_code: exit?.exit_code,
    isTruncated: output?.truncated === true,
  };
}

function contentOf({ content }: Fields): Fields[] {
  return Array.isArray(content) ? content.filter(isFields) : [];
}

function shortened(text: string, omit: (reason: string) => void): string {
  if (text.length <= RESULT_LENGTH) return text;
  omit(`Its result is over ${RESULT_LENGTH} characters; the middle was left out.`);
  return withoutMiddle(text, RESULT_LENGTH);
}

/** At most `length` UTF-16 units: the beginning, a mark, the end. */
export function withoutMiddle(text: string, length: number): string {
  if (text.length <= length) return text;
  const mark = '\n[… left out …]\n';
  const half = Math.max(0, Math.floor((length - mark.length) / 2));
  // A character that was cut in two becomes U+FFFD: no API takes half of one.
  return Buffer.from(text.slice(0, half) + mark + text.slice(text.length - half)).toString();
}

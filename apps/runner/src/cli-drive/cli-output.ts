import type { PromptEnd } from '../driven-agent.js';

/** One line of a harness's stdout, parsed. */
export type CliLine = Readonly<Record<string, unknown>>;

/** What is done with what a harness says on its stdout. */
export interface CliListener {
  /** The harness's own id of the conversation, as it says it itself; may come again. */
  session(nativeId: string): void;
  /** What readers of the log must know, and no update can say. */
  notice(notice: { code: string; message: string }): void;
  /** The prompt is over; the last one counts. */
  end(end: PromptEnd): void;
  /** The prompt is over without a reply. */
  failure(message: string): void;
}

/** How one harness's command line speaks. Adding one is one file, and one line in cli-dialects.ts. */
export interface CliDialect {
  /** Whether the harness takes the id of a new conversation; else it says the one that it chose. */
  takesId: boolean;
  /** What it writes to stderr where it does not know the conversation that it is to go on with. */
  unknownSession: RegExp;
  /** Reads one run of it, line by line. */
  reader(listener: CliListener, updates: CliUpdates): (line: CliLine) => void;
}

/** A tool call as a harness began it. */
export interface CliToolCall {
  id: string;
  /** The harness's name of the tool. */
  name: string;
  input: unknown;
  title?: string;
  kind?: string;
}

/** Says what a harness did in the words of ACP (agentclientprotocol.com, protocol v1). */
export class CliUpdates {
  /** Which message the last update was a part of. */
  private saying: string | undefined;
  private readonly begun = new Set<string>();

  constructor(private readonly onUpdate: (update: Record<string, unknown>) => void) {}

  /** A message, or the next piece of it. Whole messages that follow one another stay apart. */
  text(type: 'agent_message_chunk' | 'agent_thought_chunk', messageId: string, text: string): void {
    if (text === '') return;
    const before = this.saying;
    const now = `${type} ${messageId}`;
    const isNext = before?.startsWith(`${type} `) && before !== now;
    this.say({ sessionUpdate: type, content: { type: 'text', text: isNext ? `\n\n${text}` : text } });
    this.saying = now;
  }

  /** Said once for each id. */
  toolCall({ id, name, input, title, kind = kindOf(name) }: CliToolCall): void {
    if (this.begun.has(id)) return;
    this.begun.add(id);
    this.say({
      sessionUpdate: 'tool_call',
      toolCallId: id,
      title: title ?? titleOf(name, input),
      kind,
      status: 'in_progress',
      rawInput: input,
    });
  }

  toolEnd(id: string, { failed, text }: { failed: boolean; text: string }): void {
    this.say({
      sessionUpdate: 'tool_call_update',
      toolCallId: id,
      status: failed ? 'failed' : 'completed',
      ...(text !== '' && { content: [{ type: 'content', content: { type: 'text', text } }] }),
    });
  }

  plan(entries: { content: string; status: string }[]): void {
    this.say({ sessionUpdate: 'plan', entries: entries.map((entry) => ({ ...entry, priority: 'medium' })) });
  }

  private say(update: Record<string, unknown>): void {
    this.saying = undefined;
    this.onUpdate(update);
  }
}

/** What ACP calls the tool: by the words in its name. */
export function kindOf(tool: string): string {
  const kinds: [RegExp, string][] = [
    [/bash|shell|exec|command|terminal/i, 'execute'],
    [/fetch|web/i, 'fetch'],
    [/grep|glob|search|find|^ls$|list/i, 'search'],
    [/think|todo|plan/i, 'think'],
    [/edit|write|replace|patch/i, 'edit'],
    [/read|view/i, 'read'],
  ];
  return kinds.find(([words]) => words.test(tool))?.[1] ?? 'other';
}

const maxTitleLength = 200;

export function titleOf(name: string, input: unknown): string {
  const said = isRecord(input) ? [input.command, input.file_path, input.path, input.pattern, input.url] : [];
  const detail = said.find((value) => typeof value === 'string' && value !== '');
  return (typeof detail === 'string' ? detail : name).slice(0, maxTitleLength);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** ACP's shape of usage; null where nothing was said. */
export function usageOf(counts: Record<string, unknown>): { usage?: Record<string, unknown> } {
  const known = Object.entries(counts).filter(([, count]) => typeof count === 'number');
  return known.length > 0 ? { usage: Object.fromEntries(known) } : {};
}

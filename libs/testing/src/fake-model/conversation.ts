export type ModelApi = 'anthropic-messages' | 'openai-responses' | 'openai-chat' | 'gemini';

/** One item of a conversation, the same whichever API carried it. */
export interface ConversationItem {
  role: 'user' | 'assistant' | 'tool';
  kind: 'text' | 'call' | 'result';
  /** What was said, a call's arguments as JSON, or a tool's output. */
  text: string;
  /** The called tool; on calls only. */
  name?: string;
  /** What ties a result to its call. */
  id?: string;
}

/** A request to the model in one normalised form. System prompts and context that a harness injects are left out. */
export interface ModelRequest {
  api: ModelApi;
  model: string;
  stream: boolean;
  /** Names of the tools that the model may call. */
  tools: string[];
  conversation: ConversationItem[];
  /** True for what a harness asks on its own behalf: titles, suggestions, routing. */
  side: boolean;
}

export interface ModelCall {
  name: string;
  input: Record<string, unknown>;
}

export type ReplyPart = { say: string } | { sleep: number } | { call: ModelCall };

/** What the model answers: parts in order, or (after the sleeps among them) an HTTP status instead. */
export interface ModelReply {
  parts: ReplyPart[];
  fail?: number;
}

/** What a person asked, oldest first. */
export function prompts(conversation: ConversationItem[]): string[] {
  return conversation.filter((item) => item.role === 'user').map((item) => item.text);
}

// Codex and Claude Code put context before or beside a prompt, as user messages of their own.
const injected = /^\s*(<[a-z_-]+[ >]|# AGENTS\.md instructions)/;

/** True for user text that a harness wrote: environment, reminders, project instructions. */
export function isInjected(text: string): boolean {
  return injected.test(text);
}

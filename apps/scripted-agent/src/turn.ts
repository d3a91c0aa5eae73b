import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { methods } from '@agentclientprotocol/sdk/unstable';
import type {
  AgentContext,
  PermissionOption,
  PlanEntry,
  SessionUpdate,
  ToolCall,
  ToolCallStatus,
} from '@agentclientprotocol/sdk/unstable';
import type { Conversation, Exchange } from './conversation.js';
import type { ToolServers } from './tool-servers.js';

const permissionOptions: PermissionOption[] = [
  { optionId: 'allow_once', name: 'Allow', kind: 'allow_once' },
  { optionId: 'allow_always', name: 'Always allow in this session', kind: 'allow_always' },
  { optionId: 'reject_once', name: 'Reject', kind: 'reject_once' },
];

const keptReplyLength = 64 * 1024;

type ToolCallStart = Omit<ToolCall, 'toolCallId' | 'status'>;

/** One running prompt: what the agent can do in it. Everything here throws once the turn is cancelled. */
export class Turn {
  private readonly cancellation = new AbortController();
  private deaf = false;
  private readonly steered: string[] = [];
  /** How many were handed in and have not been waited for. */
  private unawaited = 0;
  private isEnding = false;
  private wake: () => void = () => undefined;

  constructor(
    private readonly client: AgentContext,
    readonly conversation: Conversation,
    private readonly exchange: Exchange,
    private readonly tools: ToolServers,
  ) {}

  /** What was said so far, up to some 64 KiB. */
  get reply(): string {
    return this.exchange.reply;
  }

  get isCancelled(): boolean {
    return this.cancellation.signal.aborted;
  }

  cancel(): void {
    if (!this.deaf) this.cancellation.abort();
  }

  /** Hands in a prompt while this one runs; false when it is too late for it. */
  steer(prompt: string): boolean {
    if (this.isEnding || this.isCancelled) return false;
    this.steered.push(prompt);
    this.unawaited += 1;
    this.wake();
    return true;
  }

  /** The next prompt that was handed in. */
  takeSteered(): string | undefined {
    return this.steered.shift();
  }

  /** Waits until a prompt has been handed in that nobody waited for before, for at most `ms`. */
  async untilSteered(ms: number): Promise<void> {
    if (this.unawaited === 0) {
      const heard = new AbortController();
      this.wake = () => heard.abort();
      const signal = AbortSignal.any([heard.signal, this.cancellation.signal]);
      await delay(ms, undefined, { signal }).catch(() => undefined);
      this.cancellation.signal.throwIfAborted();
    }
    this.unawaited = Math.max(0, this.unawaited - 1);
  }

  /** Takes no prompt from here on; false while there is one still to be played. */
  end(): boolean {
    this.isEnding = this.steered.length === 0;
    return this.isEnding;
  }

  ignoreCancel(): void {
    this.deaf = true;
  }

  async say(text: string): Promise<void> {
    await this.update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
    if (this.exchange.reply.length < keptReplyLength) this.exchange.reply += text;
  }

  /** Says the text word by word, `everyMs` apart. */
  async sayWords(text: string, everyMs = 0): Promise<void> {
    for (const word of text.match(/\s*\S+\s*/g) ?? []) {
      await this.say(word);
      if (everyMs) await this.wait(everyMs);
    }
  }

  async think(text: string): Promise<void> {
    await this.update({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text } });
  }

  /** The first `done` entries are completed, the next is in progress; without `done` all are pending. */
  async plan(entries: string[], done?: number): Promise<void> {
    const statusOf = (index: number): PlanEntry['status'] => {
      if (done === undefined || index > done) return 'pending';
      return index < done ? 'completed' : 'in_progress';
    };
    await this.update({
      sessionUpdate: 'plan',
      entries: entries.map((content, index) => ({ content, priority: 'medium', status: statusOf(index) })),
    });
  }

  /** Runs a tool call to its end; `run` gives its output, an error thrown there makes it fail. */
  async tool(call: ToolCallStart, run: () => Promise<string>): Promise<void> {
    await this.execute(await this.announce(call), run);
  }

  /** Like `tool`, after asking for permission. Answers whether it was given. */
  async askAndRun(call: ToolCallStart, run: () => Promise<string>): Promise<boolean> {
    const toolCall = await this.announce(call);
    if (!(await this.isPermitted(toolCall))) {
      await this.endTool(toolCall, 'failed', 'Rejected: nothing was done.');
      return false;
    }
    await this.execute(toolCall, run);
    return true;
  }

  /** What a tool of the session's MCP servers answers. */
  async call(tool: string, input: Record<string, unknown>): Promise<string> {
    return await this.tools.call(tool, input, this.cancellation.signal);
  }

  async wait(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.cancellation.signal });
  }

  private async announce(call: ToolCallStart): Promise<ToolCall> {
    // Unique beyond this process: a resumed session must not use an id again.
    const toolCall: ToolCall = { ...call, toolCallId: `call_${randomUUID()}`, status: 'pending' };
    await this.update({ sessionUpdate: 'tool_call', ...toolCall });
    return toolCall;
  }

  private async isPermitted(toolCall: ToolCall): Promise<boolean> {
    if (this.conversation.allowsAlways(toolCall.title)) return true;
    const { outcome } = await this.client.request(
      methods.client.session.requestPermission,
      { sessionId: this.conversation.sessionId, toolCall, options: permissionOptions },
      { cancellationSignal: this.cancellation.signal, stopWaitingOnCancel: true },
    );
    if (outcome.outcome === 'cancelled') {
      this.cancel();
      return false;
    }
    if (outcome.optionId === 'allow_always') await this.conversation.allowAlways(toolCall.title);
    return outcome.optionId === 'allow_once' || outcome.optionId === 'allow_always';
  }

  private async execute(toolCall: ToolCall, run: () => Promise<string>): Promise<void> {
    await this.update({ sessionUpdate: 'tool_call_update', toolCallId: toolCall.toolCallId, status: 'in_progress' });
    let output: string;
    try {
      output = await run();
    } catch (error) {
      return this.endTool(toolCall, 'failed', error instanceof Error ? error.message : String(error));
    }
    await this.endTool(toolCall, 'completed', output);
  }

  private async endTool(toolCall: ToolCall, status: ToolCallStatus, text: string): Promise<void> {
    await this.update({
      sessionUpdate: 'tool_call_update',
      toolCallId: toolCall.toolCallId,
      status,
      // An update replaces the content, so what the call showed before (a diff) is repeated.
      content: [...(toolCall.content ?? []), { type: 'content', content: { type: 'text', text } }],
      rawOutput: { text },
    });
  }

  /** Resolves when stdout has taken the update, which is what keeps a flood within bounds. */
  private async update(update: SessionUpdate): Promise<void> {
    this.cancellation.signal.throwIfAborted();
    await this.client.notify(methods.client.session.update, { sessionId: this.conversation.sessionId, update });
  }
}

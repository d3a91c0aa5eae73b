import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { ToolFailure } from './tool-failure.js';
import type { OutgoingMessage, ReceivedMessage, SentMessage, StartedAgent } from './turn-tree.js';

/*
 * Some agents show their model the text of a result, others its structured content: each says all of it.
 */

export function startedAnswer(agents: readonly StartedAgent[]): CallToolResult {
  const isNone = agents.every((agent) => agent.error);
  const lines = agents.map(({ name, task_id, session_id, mode, state, error }) =>
    error
      ? `- ${name}: not started (${error.code ?? state}): ${error.message ?? 'no reason was told'}`
      : `- ${name}: task ${task_id}, session ${session_id}, ${mode}, ${state}`,
  );
  const count = agents.filter(({ error }) => !error).length;
  const head = isNone ? 'No agent was started.' : `Started ${count} of ${agents.length}.`;
  const next = isNone
    ? 'Correct what is wrong and call run_agents again, or do the work yourself.'
    : 'They work now. Call wait_for_messages to hear from them and to learn when they have ended.';
  return answer([head, ...lines, next].join('\n'), { agents: [...agents] }, isNone);
}

export function sentAnswer({ to }: OutgoingMessage, sent: SentMessage): CallToolResult {
  return answer(`Sent to ${to.join(', ')}.`, { message_id: sent.message_id, to_task_ids: [...sent.to_task_ids] });
}

export function receivedAnswer(messages: readonly ReceivedMessage[], waitedSeconds: number): CallToolResult {
  if (messages.length === 0) {
    const text = `No message came in ${waitedSeconds} s. Call wait_for_messages again to wait on, or go on with your work.`;
    return answer(text, { messages: [] });
  }
  return answer(messages.map(shown).join('\n\n'), { messages: messages.map(toldOf) });
}

export function failureAnswer(tool: string, { code, message, next }: ToolFailure): CallToolResult {
  return answer(`${tool} failed (${code}): ${message}\n${next}`, { error: { code, message, next } }, true);
}

function shown({ kind, from_name, from_task_id, subject, body }: ReceivedMessage): string {
  const sender = from_name ? `${from_name} (task ${from_task_id})` : from_task_id ? `task ${from_task_id}` : 'Holdfast';
  const head = `${kind === 'lifecycle' ? 'News of' : 'From'} ${sender}${subject ? `: ${subject}` : ''}`;
  return body === '' ? head : `${head}\n${body}`;
}

function toldOf({ message_id, from_task_id, from_name, kind, subject, body }: ReceivedMessage) {
  return { message_id, from_task_id, from_name: from_name ?? null, kind, subject, body };
}

function answer(text: string, structuredContent: Record<string, unknown>, isError = false): CallToolResult {
  return { content: [{ type: 'text', text }], structuredContent, ...(isError && { isError }) };
}

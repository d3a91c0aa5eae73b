import type { ConversationStep } from './conversation.js';
import { crossingIds } from './crossing-ids.js';
import type { CrossingTarget } from './crossing-target.js';

interface Message {
  type: 'user' | 'assistant';
  at: string;
  message: Record<string, unknown>;
}

/** Anthropic's API wants the user to begin. */
const BEGINNING = '[The beginning of this conversation is not known.]';

/**
 * Claude Code (facts from 2.1.44 and 2.1.329): a line is needed only its type, uuid, parentUuid, sessionId, timestamp and
 * message; a tool's result must be the user's next message after its call.
 */
export function claudeFiles(steps: readonly ConversationStep[], { cwd, native_id, now, version }: CrossingTarget) {
  const ids = crossingIds(native_id);
  const messages = steps.flatMap((step): Message[] => messagesOf(step, ids));
  if (messages[0]?.type === 'assistant') messages.unshift(userMessage(messages[0].at, BEGINNING));
  if (messages.length === 0) messages.push(userMessage(now.toISOString(), BEGINNING));

  let parentUuid: string | null = null;
  const lines = messages.map(({ type, at, message }, index) => {
    const uuid = ids.uuid(`line ${index}`);
    const own = { type, uuid, parentUuid, sessionId: native_id, timestamp: at, cwd, version };
    parentUuid = uuid;
    return `${JSON.stringify({ ...own, isSidechain: false, userType: 'external', message })}\n`;
  });
  return [{ name: 'main.jsonl', mode: 'lines' as const, data: Buffer.from(lines.join('')) }];
}

function messagesOf(step: ConversationStep, ids: ReturnType<typeof crossingIds>): Message[] {
  const { record_id, at } = step;
  if (step.kind === 'user') return [userMessage(at, step.text)];
  const say = (block: Record<string, unknown>): Message => {
    // Lines of one message id are one message to Claude Code, so each has its own.
    const id = `msg_${ids.short(record_id)}`;
    const stop_reason = block.type === 'tool_use' ? 'tool_use' : 'end_turn';
    const usage = { input_tokens: 0, output_tokens: 0 };
    const message = {
      id,
      type: 'message',
      role: 'assistant',
      content: [block],
      stop_reason,
      stop_sequence: null,
      usage,
    };
    return { type: 'assistant', at, message };
  };
  if (step.kind === 'agent') return [say({ type: 'text', text: step.text })];

  const { name, command, input, result, hasFailed } = step.use;
  const id = `toolu_${ids.short(record_id)}`;
  const call = command === null ? { name, input } : { name: 'Bash', input: { command } };
  const answer = { type: 'tool_result', tool_use_id: id, content: result, ...(hasFailed && { is_error: true }) };
  return [
    say({ type: 'tool_use', id, ...call }),
    { type: 'user', at: step.ended_at, message: { role: 'user', content: [answer] } },
  ];
}

function userMessage(at: string, text: string): Message {
  return { type: 'user', at, message: { role: 'user', content: text } };
}

import { randomUUID } from 'node:crypto';
import { isInjected } from './conversation.js';
import type { ConversationItem, ModelReply, ModelRequest, ReplyPart } from './conversation.js';
import { textChunks, tokens } from './dialect.js';
import type { Dialect, StreamStep } from './dialect.js';

interface ToolCall {
  id: string;
  function: { name: string; arguments: string };
}

interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content?: string | { text?: string }[] | null;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
}

interface ChatBody {
  model: string;
  stream?: boolean;
  tools?: { function: { name: string } }[];
  messages: ChatMessage[];
}

/** OpenAI's Chat Completions, as opencode speaks it to a provider of one's own. */
export const openaiChat: Dialect = {
  api: 'openai-chat',
  path: /^\/v1\/chat\/completions$/,
  read,
  shell: () => (command) => ({ name: 'bash', input: { command, description: 'A step of the script' } }),
  stream,
  whole,
  failure: (status) => ({ error: { type: 'server_error', code: null, message: `The script asked for ${status}` } }),
};

function read(body: unknown): ModelRequest {
  const { model, stream = false, tools = [], messages } = body as ChatBody;
  const names = tools.map((tool) => tool.function.name);
  return {
    api: 'openai-chat',
    model,
    stream,
    tools: names,
    conversation: messages.flatMap(conversationItems),
    side: !names.includes('bash'),
  };
}

function conversationItems({ role, content, tool_calls = [], tool_call_id }: ChatMessage): ConversationItem[] {
  const text = typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('\n');
  switch (role) {
    case 'user':
      return isInjected(text) ? [] : [{ role, kind: 'text', text }];
    case 'assistant': {
      const said: ConversationItem[] = text ? [{ role, kind: 'text', text }] : [];
      const calls = tool_calls.map((call): ConversationItem => {
        return { role, kind: 'call', text: call.function.arguments, name: call.function.name, id: call.id };
      });
      return [...said, ...calls];
    }
    case 'tool':
      return [{ role, kind: 'result', text, id: tool_call_id }];
    default:
      return [];
  }
}

function whole(request: ModelRequest, reply: ModelReply): object {
  const said = reply.parts.flatMap((part) => ('say' in part ? [part.say] : []));
  const tool_calls = reply.parts.flatMap(toolCall);
  const message = {
    role: 'assistant',
    content: said.length > 0 ? said.join('') : null,
    ...(tool_calls.length > 0 && { tool_calls }),
  };
  return {
    ...envelope(request, 'chat.completion'),
    choices: [{ index: 0, message, finish_reason: finishReason(reply) }],
    usage: usage(request, reply),
  };
}

function* stream(request: ModelRequest, reply: ModelReply): Iterable<StreamStep> {
  const chunk = envelope(request, 'chat.completion.chunk');
  const step = (delta: object, finish_reason: string | null = null): StreamStep => ({
    data: { ...chunk, choices: [{ index: 0, delta, finish_reason }] },
  });

  yield step({ role: 'assistant', content: '' });
  let index = 0;
  for (const part of reply.parts) {
    if ('sleep' in part) yield { pause: part.sleep };
    if ('say' in part) for (const content of textChunks(part.say)) yield step({ content });
    for (const call of toolCall(part)) {
      yield step({ tool_calls: [{ index, ...call, function: { ...call.function, arguments: '' } }] });
      for (const piece of textChunks(call.function.arguments)) {
        yield step({ tool_calls: [{ index, function: { arguments: piece } }] });
      }
      index += 1;
    }
  }
  yield step({}, finishReason(reply));
  yield { data: { ...chunk, choices: [], usage: usage(request, reply) } };
  yield { data: '[DONE]' };
}

function toolCall(part: ReplyPart): (ToolCall & { type: 'function' })[] {
  if (!('call' in part)) return [];
  const { name, input } = part.call;
  const id = `call_${randomUUID().replaceAll('-', '')}`;
  return [{ id, type: 'function', function: { name, arguments: JSON.stringify(input) } }];
}

function envelope(request: ModelRequest, object: string) {
  return { id: `chatcmpl-${randomUUID()}`, object, created: Math.floor(Date.now() / 1000), model: request.model };
}

function finishReason(reply: ModelReply): string {
  return reply.parts.some((part) => 'call' in part) ? 'tool_calls' : 'stop';
}

function usage(request: ModelRequest, reply: ModelReply) {
  const [prompt_tokens, completion_tokens] = [tokens(request.conversation), tokens(reply)];
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

import { randomUUID } from 'node:crypto';
import { isInjected } from './conversation.js';
import type { ConversationItem, ModelReply, ModelRequest } from './conversation.js';
import { textChunks, tokens } from './dialect.js';
import type { Dialect, StreamStep } from './dialect.js';

interface ContentBlock {
  type: string;
  text?: string;
  id?: string;
  name?: string;
  input?: unknown;
  tool_use_id?: string;
  content?: string | ContentBlock[];
}

interface MessagesBody {
  model: string;
  stream?: boolean;
  tools?: { name: string }[];
  messages: { role: 'user' | 'assistant' | 'system'; content: string | ContentBlock[] }[];
}

/** Anthropic's Messages API, as Claude Code speaks it. */
export const anthropicMessages: Dialect = {
  api: 'anthropic-messages',
  path: /^\/v1\/messages$/,
  counting: { path: /^\/v1\/messages\/count_tokens$/, count: (body) => ({ input_tokens: tokens(body) }) },
  read,
  shell: () => (command) => ({ name: 'Bash', input: { command, description: 'A step of the script' } }),
  stream,
  whole,
  failure: (status) => ({ type: 'error', error: { type: 'api_error', message: `The script asked for ${status}` } }),
};

// Claude Code asks, with all of the conversation, what the person might type next.
const suggestion = '[SUGGESTION MODE';

function read(body: unknown): ModelRequest {
  const { model, stream = false, tools = [], messages } = body as MessagesBody;
  const names = tools.map((tool) => tool.name);
  const conversation = messages.flatMap(({ role, content }) =>
    role === 'system' ? [] : blocks(content).flatMap((block) => item(role, block)),
  );
  return {
    api: 'anthropic-messages',
    model,
    stream,
    tools: names,
    conversation,
    side: !names.includes('Bash') || conversation.at(-1)?.text.startsWith(suggestion) === true,
  };
}

function blocks(content: string | ContentBlock[]): ContentBlock[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

function item(role: 'user' | 'assistant', block: ContentBlock): ConversationItem[] {
  switch (block.type) {
    case 'text':
      return isInjected(block.text ?? '') ? [] : [{ role, kind: 'text', text: block.text ?? '' }];
    case 'tool_use':
      return [{ role, kind: 'call', text: JSON.stringify(block.input), name: block.name, id: block.id }];
    case 'tool_result': {
      const text = blocks(block.content ?? '').map((part) => part.text ?? '');
      return [{ role: 'tool', kind: 'result', text: text.join('\n'), id: block.tool_use_id }];
    }
    default:
      return [];
  }
}

function whole(request: ModelRequest, reply: ModelReply): object {
  const content = reply.parts.flatMap((part): object[] => {
    if ('say' in part) return [{ type: 'text', text: part.say }];
    return 'call' in part ? [{ type: 'tool_use', id: toolUseId(), ...part.call }] : [];
  });
  return {
    ...emptyMessage(request),
    content,
    stop_reason: stopReason(reply),
    usage: { input_tokens: tokens(request.conversation), output_tokens: tokens(reply) },
  };
}

function* stream(request: ModelRequest, reply: ModelReply): Iterable<StreamStep> {
  yield named({ type: 'message_start', message: emptyMessage(request) });
  let index = 0;
  for (const part of reply.parts) {
    if ('sleep' in part) {
      yield { pause: part.sleep };
      continue;
    }
    if ('say' in part) {
      yield named({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
      for (const text of textChunks(part.say)) {
        yield named({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } });
      }
    } else {
      const block = { type: 'tool_use', id: toolUseId(), name: part.call.name, input: {} };
      yield named({ type: 'content_block_start', index, content_block: block });
      for (const partial_json of textChunks(JSON.stringify(part.call.input))) {
        yield named({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json } });
      }
    }
    yield named({ type: 'content_block_stop', index });
    index += 1;
  }
  yield named({
    type: 'message_delta',
    delta: { stop_reason: stopReason(reply), stop_sequence: null },
    usage: { output_tokens: tokens(reply) },
  });
  yield named({ type: 'message_stop' });
}

function named(data: { type: string; [field: string]: unknown }): StreamStep {
  return { event: data.type, data };
}

function emptyMessage(request: ModelRequest) {
  return {
    id: `msg_${randomUUID()}`,
    type: 'message',
    role: 'assistant',
    model: request.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: tokens(request.conversation), output_tokens: 1 },
  };
}

function stopReason(reply: ModelReply): string {
  return reply.parts.some((part) => 'call' in part) ? 'tool_use' : 'end_turn';
}

function toolUseId(): string {
  return `toolu_${randomUUID().replaceAll('-', '')}`;
}

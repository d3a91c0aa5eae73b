import { randomUUID } from 'node:crypto';
import { isInjected } from './conversation.js';
import type { ConversationItem, ModelReply, ModelRequest, ReplyPart } from './conversation.js';
import { textChunks, tokens } from './dialect.js';
import type { Dialect, StreamStep } from './dialect.js';
import type { ShellCall } from './script.js';

interface InputItem {
  type?: string;
  role?: string;
  content?: string | { text?: string }[];
  name?: string;
  arguments?: string;
  input?: string;
  call_id?: string;
  output?: string | { text?: string }[];
}

interface ResponsesBody {
  model: string;
  stream?: boolean;
  tools?: { type: string; name?: string }[];
  input: string | InputItem[];
}

/** OpenAI's Responses API, as Codex speaks it. */
export const openaiResponses: Dialect = {
  api: 'openai-responses',
  path: /^\/v1\/responses$/,
  read,
  shell,
  stream,
  whole,
  failure: (status) => ({ error: { type: 'server_error', code: null, message: `The script asked for ${status}` } }),
};

// In Codex's "auto review" mode a second conversation judges what the first one wants to run.
const approvalReview = 'The following is the Codex agent history whose request action you are assessing';

function read(body: unknown): ModelRequest {
  const { model, stream = false, tools = [], input } = body as ResponsesBody;
  const names = tools.map((tool) => tool.name ?? tool.type);
  const items = typeof input === 'string' ? [{ type: 'message', role: 'user', content: input }] : input;
  const conversation = items.flatMap(conversationItem);
  return {
    api: 'openai-responses',
    model,
    stream,
    tools: names,
    conversation,
    side: names.length === 0 || conversation[0]?.text.startsWith(approvalReview) === true,
  };
}

function conversationItem(item: InputItem): ConversationItem[] {
  switch (item.type ?? 'message') {
    case 'message': {
      const text = joined(item.content);
      const role = item.role === 'assistant' ? 'assistant' : 'user';
      const isContext = item.role === 'system' || item.role === 'developer' || isInjected(text);
      return isContext ? [] : [{ role, kind: 'text', text }];
    }
    case 'function_call':
    case 'custom_tool_call': {
      const text = item.arguments ?? item.input ?? '';
      return [{ role: 'assistant', kind: 'call', text, name: item.name, id: item.call_id }];
    }
    case 'function_call_output':
    case 'custom_tool_call_output':
      return [{ role: 'tool', kind: 'result', text: joined(item.output), id: item.call_id }];
    default:
      return [];
  }
}

function joined(content: string | { text?: string }[] = ''): string {
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n');
}

function shell(tools: string[]): ShellCall {
  return (command, asking) => {
    const permission = asking
      ? { sandbox_permissions: 'require_escalated', justification: 'The script asks for permission' }
      : {};
    return tools.includes('exec_command')
      ? { name: 'exec_command', input: { cmd: command, ...permission } }
      : { name: 'shell_command', input: { command, ...permission } };
  };
}

function whole(request: ModelRequest, reply: ModelReply): object {
  return { ...emptyResponse(request), ...completion(request, reply, reply.parts.flatMap(outputItem)) };
}

function* stream(request: ModelRequest, reply: ModelReply): Iterable<StreamStep> {
  const output: object[] = [];
  let sequence = 0;
  const event = (type: string, fields: object): StreamStep => ({
    event: type,
    data: { type, sequence_number: sequence++, ...fields },
  });

  const response = emptyResponse(request);
  yield event('response.created', { response: { ...response, status: 'in_progress' } });
  for (const part of reply.parts) {
    if ('sleep' in part) yield { pause: part.sleep };
    for (const item of outputItem(part)) {
      const at = { output_index: output.length };
      yield event('response.output_item.added', { ...at, item: { ...item, ...unfinished(part) } });
      if ('say' in part) {
        const place = { ...at, item_id: item.id, content_index: 0 };
        yield event('response.content_part.added', { ...place, part: { ...outputText(''), annotations: [] } });
        for (const delta of textChunks(part.say)) yield event('response.output_text.delta', { ...place, delta });
        yield event('response.output_text.done', { ...place, text: part.say });
        yield event('response.content_part.done', { ...place, part: outputText(part.say) });
      }
      if ('call' in part) {
        const place = { ...at, item_id: item.id };
        const text = JSON.stringify(part.call.input);
        for (const delta of textChunks(text))
          yield event('response.function_call_arguments.delta', { ...place, delta });
        yield event('response.function_call_arguments.done', { ...place, arguments: text });
      }
      yield event('response.output_item.done', { ...at, item });
      output.push(item);
    }
  }
  yield event('response.completed', { response: { ...response, ...completion(request, reply, output) } });
}

function outputItem(part: ReplyPart): { id: string; [field: string]: unknown }[] {
  if ('say' in part) {
    const content = [outputText(part.say)];
    return [{ id: `msg_${randomUUID()}`, type: 'message', role: 'assistant', status: 'completed', content }];
  }
  if ('sleep' in part) return [];
  return [
    {
      id: `fc_${randomUUID()}`,
      type: 'function_call',
      status: 'completed',
      call_id: `call_${randomUUID().replaceAll('-', '')}`,
      ...named(part.call.name),
      arguments: JSON.stringify(part.call.input),
    },
  ];
}

/** Codex has the tools of an MCP server in a namespace of their own. */
function named(tool: string): { name: string; namespace?: string } {
  const [, namespace, name] = /^(mcp__.+?)__(.+)$/.exec(tool) ?? [];
  return namespace && name ? { namespace, name } : { name: tool };
}

function unfinished(part: ReplyPart): object {
  return 'say' in part ? { status: 'in_progress', content: [] } : { status: 'in_progress', arguments: '' };
}

function outputText(text: string) {
  return { type: 'output_text', text, annotations: [] };
}

function emptyResponse(request: ModelRequest) {
  return { id: `resp_${randomUUID()}`, object: 'response', model: request.model, output: [] };
}

function completion(request: ModelRequest, reply: ModelReply, output: object[]): object {
  const [input_tokens, output_tokens] = [tokens(request.conversation), tokens(reply)];
  return {
    status: 'completed',
    output,
    usage: {
      input_tokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input_tokens + output_tokens,
    },
  };
}

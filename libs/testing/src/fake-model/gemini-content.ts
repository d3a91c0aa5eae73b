import { isInjected } from './conversation.js';
import type { ConversationItem, ModelReply, ModelRequest, ReplyPart } from './conversation.js';
import { textChunks, tokens } from './dialect.js';
import type { Dialect, StreamStep } from './dialect.js';

interface Part {
  text?: string;
  thought?: boolean;
  functionCall?: { id?: string; name: string; args?: Record<string, unknown> };
  functionResponse?: { id?: string; name: string; response?: { output?: unknown; error?: unknown } };
}

interface ContentBody {
  contents: { role?: string; parts?: Part[] }[];
  tools?: { functionDeclarations?: { name: string }[] }[];
}

/** Google's Gemini API, as Gemini CLI speaks it. */
export const geminiContent: Dialect = {
  api: 'gemini',
  path: /^\/v1beta\/models\/[^/:]+:(streamG|g)enerateContent$/,
  counting: {
    path: /^\/v1beta\/models\/[^/:]+:countTokens$/,
    count: (body) => ({ totalTokens: tokens(body) }),
  },
  read,
  shell: () => (command) => ({ name: 'run_shell_command', input: { command, description: 'A step of the script' } }),
  stream,
  whole,
  failure: (status) => ({ error: { code: status, status: 'INTERNAL', message: `The script asked for ${status}` } }),
};

function read(body: unknown, path: string): ModelRequest {
  const { contents, tools = [] } = body as ContentBody;
  const [, model = '', method] = /^\/v1beta\/models\/([^:]+):(.+)$/.exec(path) ?? [];
  const names = tools.flatMap(({ functionDeclarations = [] }) => functionDeclarations.map(({ name }) => name));
  return {
    api: 'gemini',
    model,
    stream: method === 'streamGenerateContent',
    tools: names,
    conversation: contents.flatMap(({ role, parts = [] }) => parts.flatMap((part) => item(role, part))),
    side: names.length === 0,
  };
}

function item(role: string | undefined, part: Part): ConversationItem[] {
  if (part.functionCall) {
    const { id, name, args = {} } = part.functionCall;
    return [{ role: 'assistant', kind: 'call', text: JSON.stringify(args), name, id }];
  }
  if (part.functionResponse) {
    const { id, response = {} } = part.functionResponse;
    const output = response.output ?? response.error ?? response;
    return [{ role: 'tool', kind: 'result', text: typeof output === 'string' ? output : JSON.stringify(output), id }];
  }
  if (!part.text || part.thought) return [];
  if (role === 'model') return [{ role: 'assistant', kind: 'text', text: part.text }];
  return isInjected(part.text) ? [] : [{ role: 'user', kind: 'text', text: part.text }];
}

function whole(request: ModelRequest, reply: ModelReply): object {
  return chunk(request, reply, reply.parts.flatMap(contentPart), 'STOP');
}

function* stream(request: ModelRequest, reply: ModelReply): Iterable<StreamStep> {
  for (const part of reply.parts) {
    if ('sleep' in part) yield { pause: part.sleep };
    if ('say' in part) for (const text of textChunks(part.say)) yield { data: chunk(request, reply, [{ text }]) };
    if ('call' in part) yield { data: chunk(request, reply, contentPart(part)) };
  }
  yield { data: chunk(request, reply, [{ text: '' }], 'STOP') };
}

function contentPart(part: ReplyPart): Part[] {
  if ('say' in part) return [{ text: part.say }];
  return 'call' in part ? [{ functionCall: { name: part.call.name, args: part.call.input } }] : [];
}

function chunk(request: ModelRequest, reply: ModelReply, parts: Part[], finishReason?: 'STOP') {
  const [promptTokenCount, candidatesTokenCount] = [tokens(request.conversation), tokens(reply)];
  return {
    candidates: [{ index: 0, content: { role: 'model', parts }, ...(finishReason && { finishReason }) }],
    modelVersion: request.model,
    usageMetadata: {
      promptTokenCount,
      candidatesTokenCount,
      totalTokenCount: promptTokenCount + candidatesTokenCount,
    },
  };
}

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { agent, methods, PROTOCOL_VERSION, RequestError } from '@agentclientprotocol/sdk/unstable';
import type {
  AgentApp,
  AgentContext,
  ContentBlock,
  InitializeResponse,
  McpServer,
  PromptResponse,
} from '@agentclientprotocol/sdk/unstable';
import { Conversation } from './conversation.js';
import { DirectiveError, parseScript } from './directives.js';
import type { Step } from './directives.js';
import { playScript } from './script.js';
import { ToolServers } from './tool-servers.js';
import { Turn } from './turn.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const introduction: InitializeResponse = {
  protocolVersion: PROTOCOL_VERSION,
  agentInfo: { name: 'holdfast-scripted-agent', title: 'Scripted agent', version },
  agentCapabilities: { loadSession: true, sessionCapabilities: { resume: {} } },
  authMethods: [],
  // The steering extension, as codex-acp and claude-agent-acp tell of it.
  _meta: { steering: { supported: true } },
};

const steeringMethod = '_session/steering';

/** The agent as ACP sees it; everything it remembers between calls is in here or in its sessions' files. */
export function scriptedAgent(): AgentApp {
  const conversations = new Map<string, Conversation>();
  const turns = new Map<string, Turn>();
  const tools = new Map<string, ToolServers>();
  const giveTools = (sessionId: string, servers: readonly McpServer[] = []) =>
    tools.set(sessionId, new ToolServers(servers));

  const reopen = async (sessionId: string, cwd: string): Promise<Conversation> => {
    const conversation = await Conversation.open(sessionId, cwd);
    if (!conversation) throw RequestError.sessionNotFound(sessionId);
    conversations.set(sessionId, conversation);
    return conversation;
  };

  return agent({ name: 'holdfast-scripted-agent' })
    .onRequest(methods.agent.initialize, () => introduction)
    .onRequest(methods.agent.session.new, async ({ params }) => {
      const conversation = await Conversation.start(randomUUID(), params.cwd);
      conversations.set(conversation.sessionId, conversation);
      giveTools(conversation.sessionId, params.mcpServers);
      return { sessionId: conversation.sessionId };
    })
    .onRequest(methods.agent.session.load, async ({ params, client }) => {
      await replay(client, await reopen(params.sessionId, params.cwd));
      giveTools(params.sessionId, params.mcpServers);
      return {};
    })
    .onRequest(methods.agent.session.resume, async ({ params }) => {
      await reopen(params.sessionId, params.cwd);
      giveTools(params.sessionId, params.mcpServers);
      return {};
    })
    .onRequest(methods.agent.session.prompt, async ({ params, client, signal }) => {
      const { sessionId } = params;
      const conversation = conversations.get(sessionId);
      if (!conversation) throw RequestError.sessionNotFound(sessionId);
      if (turns.has(sessionId)) throw RequestError.invalidRequest(undefined, 'the session has a running turn');
      const prompt = textOf(params.prompt);
      const steps = stepsOf(prompt);

      const turn = new Turn(client, conversation, conversation.begin(prompt), tools.get(sessionId)!);
      turns.set(sessionId, turn);
      signal.addEventListener('abort', () => turn.cancel());
      try {
        return await answer(turn, prompt, steps);
      } finally {
        turns.delete(sessionId);
      }
    })
    .onRequest(steeringMethod, steeringRequest, ({ params }) => {
      const turn = turns.get(params.sessionId);
      if (!turn?.steer(textOf(params.prompt))) return { outcome: 'promptRequired', reason: 'noRunningTurn' };
      return { outcome: 'injected' };
    })
    .onNotification(methods.agent.session.cancel, ({ params }) => turns.get(params.sessionId)?.cancel());
}

async function answer(turn: Turn, prompt: string, steps: Step[]): Promise<PromptResponse> {
  try {
    // Kept before anything is done, so that a turn that is killed is remembered.
    await turn.conversation.keep({ prompt });
    return { stopReason: 'end_turn', ...(await playScript(turn, prompt, steps)) };
  } catch (error) {
    if (turn.isCancelled) return { stopReason: 'cancelled' };
    throw error;
  } finally {
    await turn.conversation.keep({ reply: turn.reply });
  }
}

/** `session/load` shows what was said; tool calls are not kept. */
async function replay(client: AgentContext, { sessionId, exchanges }: Conversation): Promise<void> {
  const show = (sessionUpdate: 'user_message_chunk' | 'agent_message_chunk', text: string) =>
    client.notify(methods.client.session.update, {
      sessionId,
      update: { sessionUpdate, content: { type: 'text', text } },
    });
  for (const { prompt, reply } of exchanges) {
    await show('user_message_chunk', prompt);
    if (reply) await show('agent_message_chunk', reply);
  }
}

function textOf(prompt: readonly ContentBlock[]): string {
  return prompt.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

/** Only hosts that take `promptRequired` for an answer are served: no prompt begins without a request for it. */
function steeringRequest(params: unknown): { sessionId: string; prompt: ContentBlock[] } {
  const request = params as {
    sessionId?: unknown;
    prompt?: unknown;
    _meta?: { steering?: { idleBehavior?: unknown } };
  } | null;
  const isSound =
    typeof request?.sessionId === 'string' &&
    Array.isArray(request.prompt) &&
    request._meta?.steering?.idleBehavior === 'promptRequired';
  if (!isSound) throw RequestError.invalidParams(undefined, 'a session, a prompt and idleBehavior are needed');
  return request as { sessionId: string; prompt: ContentBlock[] };
}

function stepsOf(prompt: string): Step[] {
  try {
    return parseScript(prompt);
  } catch (error) {
    if (error instanceof DirectiveError) throw RequestError.invalidParams(undefined, error.message);
    throw error;
  }
}

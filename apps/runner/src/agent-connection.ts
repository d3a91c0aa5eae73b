import { Writable } from 'node:stream';
import {
  client,
  methods,
  ndJsonStream,
  RequestError,
  type AnyMessage,
  type ClientConnection,
  type InitializeResponse,
} from '@agentclientprotocol/sdk';
import type { AgentProcess } from './agent-process.js';
import {
  AgentProtocolError,
  ResumeImpossible,
  type AgentClient,
  type DrivenAgent,
  type PermissionRequest,
  type PromptEnd,
} from './driven-agent.js';
import { gatedOutput } from './gated-output.js';
import { isStorableName } from './storable.js';
import type { ToolsServer } from './tools/tools-socket.js';

const protocolVersion = 1;
const authenticationRequired = -32000;
const steeringMethod = '_session/steering';
const maxMessageBytes = 16 * 1024 * 1024;
const maxSessionIdLength = 256;
const maxStopReasonLength = 64;

/** ACP over the standard streams of one agent process. */
export class AgentConnection implements DrivenAgent {
  readonly drained: Promise<void>;

  private readonly connection: ClientConnection;
  private handshake: InitializeResponse | undefined;
  /** The one session of this connection, once it is open. */
  private sessionId = '';
  private replaying = false;
  /** By the id of the agent's request. */
  private readonly deliveries = new Map<unknown, () => void>();

  constructor(
    readonly process: AgentProcess,
    private readonly owner: AgentClient,
  ) {
    const lines = ndJsonStream(Writable.toWeb(process.stdin), gatedOutput(process, owner), { maxMessageBytes });
    const { readable, drained } = this.withoutUpdates(lines.readable);
    this.drained = drained;
    this.connection = client({ name: 'holdfast-runner' })
      .onRequest(methods.client.session.requestPermission, permissionRequest, (context) =>
        this.ask(context.params, context.agent.requestId, context.signal),
      )
      .connect({ readable, writable: this.observedInput(lines.writable) });
  }

  async initialize(): Promise<void> {
    const response = await this.connection.agent.request(methods.agent.initialize, {
      protocolVersion,
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
      clientInfo: { name: 'holdfast-runner', version: '1' },
    });
    if (response?.protocolVersion !== protocolVersion) {
      throw new AgentProtocolError(
        `The agent speaks version ${response?.protocolVersion} of ACP; this runner speaks ${protocolVersion}.`,
      );
    }
    this.handshake = response;
  }

  async openSession(cwd: string, resumeSessionId: string | null): Promise<string> {
    if (resumeSessionId === null) this.sessionId = await this.newSession(cwd);
    else await this.resumeSession(cwd, (this.sessionId = resumeSessionId));
    return this.sessionId;
  }

  async prompt(text: string): Promise<PromptEnd> {
    const { sessionId } = this;
    const response: { stopReason?: unknown; usage?: unknown } | null = await this.connection.agent.request(
      methods.agent.session.prompt,
      { sessionId, prompt: [{ type: 'text', text }] },
    );
    const stopReason = response?.stopReason;
    if (!isName(stopReason, maxStopReasonLength)) {
      throw new AgentProtocolError('The agent ended the prompt without a usable stop reason.');
    }
    return isRecord(response?.usage) ? { stopReason, usage: response.usage } : { stopReason };
  }

  /** Whether the agent speaks the steering extension of ACP, as codex-acp and claude-agent-acp do. */
  get takesSteering(): boolean {
    const steering = this.handshake?._meta?.steering as { supported?: unknown } | undefined;
    return steering?.supported === true;
  }

  async steer(text: string): Promise<boolean> {
    const response = await this.connection.agent.request<{ outcome?: unknown } | null>(steeringMethod, {
      sessionId: this.sessionId,
      prompt: [{ type: 'text', text }],
      // Otherwise it would begin a prompt of its own, whose end nobody is told of.
      _meta: { steering: { idleBehavior: 'promptRequired' } },
    });
    return response?.outcome === 'injected';
  }

  async cancel(): Promise<void> {
    await this.connection.agent.notify(methods.agent.session.cancel, { sessionId: this.sessionId });
  }

  private get mcpServers(): ToolsServer[] {
    return this.owner.tools ? [this.owner.tools] : [];
  }

  private async newSession(cwd: string): Promise<string> {
    const params = { cwd, mcpServers: this.mcpServers };
    const response: { sessionId?: unknown } | null = await this.connection.agent.request(
      methods.agent.session.new,
      params,
    );
    const sessionId = response?.sessionId;
    if (isName(sessionId, maxSessionIdLength) && sessionId !== '') return sessionId;
    throw new AgentProtocolError('The agent answered session/new without a usable session id.');
  }

  private async resumeSession(cwd: string, sessionId: string): Promise<void> {
    const params = { sessionId, cwd, mcpServers: this.mcpServers };
    const capabilities = this.handshake?.agentCapabilities;
    try {
      if (capabilities?.sessionCapabilities?.resume) {
        await this.connection.agent.request(methods.agent.session.resume, params);
      } else if (capabilities?.loadSession) {
        this.replaying = true;
        await this.connection.agent.request(methods.agent.session.load, params);
        this.replaying = false;
      } else {
        throw new ResumeImpossible('The agent can neither resume nor load a session.');
      }
    } catch (error) {
      const isAboutTheSession = error instanceof RequestError && error.code !== authenticationRequired;
      if (!isAboutTheSession) throw error;
      throw new ResumeImpossible(`The agent could not resume session ${sessionId}: ${error.message}`);
    }
  }

  /**
   * Takes the updates out before the SDK sees them: it would drop the fields it does not know, could settle the prompt
   * before an update that was written ahead of it, and stops reading when the agent's stdin breaks.
   */
  private withoutUpdates(messages: ReadableStream<AnyMessage>): {
    readable: ReadableStream<AnyMessage>;
    drained: Promise<void>;
  } {
    let rest: ReadableStreamDefaultController<AnyMessage> | undefined;
    const readable = new ReadableStream<AnyMessage>({
      start: (controller) => void (rest = controller),
      cancel: () => void (rest = undefined),
    });
    const read = async () => {
      try {
        for await (const message of messages) {
          if (!this.takeUpdate(message)) rest?.enqueue(message);
        }
        rest?.close();
      } catch (error) {
        rest?.error(error);
      }
    };
    return { readable, drained: read() };
  }

  private takeUpdate(message: AnyMessage): boolean {
    if (!('method' in message) || message.method !== methods.client.session.update || 'id' in message) return false;
    const update = (message.params as { update?: unknown } | undefined)?.update;
    // What session/load replays is in the log already.
    if (isRecord(update) && !this.replaying) this.owner.onUpdate(update);
    return true;
  }

  private async ask(request: PermissionRequest, requestId: unknown, withdrawn: AbortSignal) {
    const { outcome, onDelivered } = await this.owner.onPermission(request, withdrawn);
    this.deliveries.set(requestId, onDelivered);
    return { outcome };
  }

  private observedInput(input: WritableStream<AnyMessage>): WritableStream<AnyMessage> {
    const writer = input.getWriter();
    return new WritableStream<AnyMessage>({
      write: async (message) => {
        await writer.write(message);
        if ('method' in message) return;
        this.deliveries.get(message.id)?.();
        this.deliveries.delete(message.id);
      },
    });
  }
}

/** One bad name would have the api refuse the whole request that it is in. */
function isName(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length <= maxLength && isStorableName(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Keeps the request as it came; the SDK's own parser drops what it does not know. */
function permissionRequest(params: unknown): PermissionRequest {
  const request = params as Partial<PermissionRequest> | null;
  const isSound =
    typeof request?.toolCall?.toolCallId === 'string' &&
    Array.isArray(request.options) &&
    request.options.every(({ optionId, name, kind }) =>
      [optionId, name, kind].every((text) => typeof text === 'string'),
    );
  if (!isSound) throw RequestError.invalidParams(undefined, 'a tool call id and options are needed');
  return request as PermissionRequest;
}

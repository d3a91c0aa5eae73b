import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { client, methods, ndJsonStream, PROTOCOL_VERSION } from '@agentclientprotocol/sdk/unstable';
import type {
  ClientConnection,
  InitializeResponse,
  PromptResponse,
  RequestPermissionRequest,
  RequestPermissionResponse,
  SessionUpdate,
} from '@agentclientprotocol/sdk/unstable';

export const agentProgram = resolve(import.meta.dirname, '../dist/main.js');

type PermissionHandler = (request: RequestPermissionRequest) => Promise<RequestPermissionResponse>;

/** The agent as a real process in a group of its own, with the SDK's client on its pipes. */
export class AgentUnderTest {
  readonly updates: SessionUpdate[] = [];
  readonly questions: RequestPermissionRequest[] = [];
  onPermission: PermissionHandler = async () => choose('reject_once');
  stderr = '';
  connection!: ClientConnection;
  introduction!: InitializeResponse;

  private readonly watchers = new Set<() => void>();

  private constructor(
    readonly child: ChildProcess,
    readonly exited: Promise<unknown[]>,
  ) {}

  static async start(cwd: string): Promise<AgentUnderTest> {
    const child = spawn(process.execPath, [agentProgram], { cwd, env: {}, detached: true });
    const agent = new AgentUnderTest(child, once(child, 'exit'));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      agent.stderr += text;
      agent.check();
    });
    agent.connection = client({ name: 'scripted-agent-test' })
      .onRequest(methods.client.session.requestPermission, ({ params }) => {
        agent.questions.push(params);
        return agent.onPermission(params);
      })
      .onNotification(methods.client.session.update, ({ params }) => {
        agent.updates.push(params.update);
        agent.check();
      })
      .connect(ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>));
    agent.introduction = await agent.connection.agent.request(methods.agent.initialize, {
      protocolVersion: PROTOCOL_VERSION,
      clientCapabilities: {},
    });
    return agent;
  }

  async newSession(cwd: string): Promise<string> {
    const { sessionId } = await this.connection.agent.request(methods.agent.session.new, { cwd, mcpServers: [] });
    return sessionId;
  }

  prompt(sessionId: string, text: string): Promise<PromptResponse> {
    const prompt = [{ type: 'text' as const, text }];
    return this.connection.agent.request(methods.agent.session.prompt, { sessionId, prompt });
  }

  async cancel(sessionId: string): Promise<void> {
    await this.connection.agent.notify(methods.agent.session.cancel, { sessionId });
  }

  /** Resolves as soon as what has arrived, updates and stderr, satisfies the condition. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watcher = () => {
        if (!condition()) return;
        this.watchers.delete(watcher);
        resolve();
      };
      this.watchers.add(watcher);
      watcher();
    });
  }

  private check(): void {
    for (const watcher of this.watchers) watcher();
  }

  /** Everything the agent said so far, in one piece. */
  get said(): string {
    return this.texts('agent_message_chunk').join('');
  }

  texts(kind: 'agent_message_chunk' | 'agent_thought_chunk' | 'user_message_chunk'): string[] {
    return this.updates.flatMap((update) =>
      update.sessionUpdate === kind && update.content.type === 'text' ? [update.content.text] : [],
    );
  }

  /** The statuses that the tool calls went through, in order. */
  get toolStatuses(): unknown[] {
    return this.updates.flatMap((update) =>
      update.sessionUpdate === 'tool_call' || update.sessionUpdate === 'tool_call_update' ? [update.status] : [],
    );
  }

  async kill(): Promise<void> {
    this.connection.close();
    try {
      process.kill(-(this.child.pid as number), 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    await this.exited;
  }
}

/** An answer to a permission request; the agent's option ids are their kinds. */
export function choose(optionId: 'allow_once' | 'allow_always' | 'reject_once'): RequestPermissionResponse {
  return { outcome: { outcome: 'selected', optionId } };
}

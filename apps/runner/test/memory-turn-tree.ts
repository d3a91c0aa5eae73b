import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ControlPlaneRefusal } from '../src/control-plane.js';
import type {
  AgentToRun,
  OutgoingMessage,
  ReceivedMessage,
  SentMessage,
  StartedAgent,
  TurnTree,
} from '../src/tools/turn-tree.js';

/** The api's rules about what one session's agent does with the agents of its tree: keys, delivery, waiting. */
export class MemoryTurnTree implements TurnTree {
  /** What was started, once a key. */
  readonly started: AgentToRun[] = [];
  readonly sent: OutgoingMessage[] = [];
  /** Every key that came, also again. */
  readonly keys: string[] = [];
  readonly waits: number[] = [];
  readonly acknowledged: string[] = [];
  /** Runs before a call is judged, and after it took effect; throw to lose the request or its answer. */
  before: () => Promise<void> | void = () => undefined;
  after: () => Promise<void> | void = () => undefined;
  beforeDelivered: () => Promise<void> | void = () => undefined;
  /** How many seconds pass in a second here. */
  haste = 1;

  private readonly answers = new Map<string, unknown>();
  private readonly inbox: ReceivedMessage[] = [];
  private wakes: (() => void)[] = [];

  /** Puts a message in, as another agent or the end of one does. */
  receive(body: string, message: Partial<ReceivedMessage> = {}): string {
    const message_id = randomUUID();
    const from_task_id = '00000000-0000-4000-8000-000000000001';
    this.inbox.push({
      message_id,
      from_task_id,
      from_name: 'worker',
      kind: 'message',
      subject: null,
      body,
      ...message,
    });
    this.changed();
    return message_id;
  }

  /** Resolves once `probe` holds, looked at after every call. */
  async until(probe: () => boolean): Promise<void> {
    while (!probe()) await new Promise<void>((resolve) => this.wakes.push(resolve));
  }

  runAgents = async (agents: readonly AgentToRun[], key: string): Promise<readonly StartedAgent[]> => {
    return await this.once(key, () => {
      const unknown = agents.find(({ agent }) => agent?.name === 'nobody');
      if (unknown && agents.length === 1) throw new ControlPlaneRefusal(404, 'agent_not_found', 'No agent "nobody".');
      this.started.push(...agents);
      return agents.map(({ name, mode = 'remote', agent }): StartedAgent => {
        const task_id = randomUUID();
        if (agent?.name !== 'nobody')
          return { task_id, name, session_id: `task-${task_id}`, mode, state: 'queued', error: null };
        const error = { code: 'agent_not_found', message: 'No agent "nobody".' };
        return { task_id, name, session_id: null, mode, state: 'failed', error };
      });
    });
  };

  sendMessage = async (message: OutgoingMessage, key: string): Promise<SentMessage> => {
    return await this.once(key, () => {
      this.sent.push(message);
      return { message_id: randomUUID(), to_task_ids: message.to.map(() => randomUUID()) };
    });
  };

  waitForMessages = async (timeoutSeconds: number, signal: AbortSignal): Promise<readonly ReceivedMessage[]> => {
    if (timeoutSeconds < 0 || timeoutSeconds > 50) throw new ControlPlaneRefusal(400, 'request_invalid', 'timeout');
    this.waits.push(timeoutSeconds);
    this.changed();
    await this.before();
    const ended = new AbortController();
    const timer = setTimeout(() => ended.abort(), (timeoutSeconds * 1_000) / this.haste);
    for (const one of [ended.signal, signal]) one.addEventListener('abort', () => this.changed(), { once: true });
    await this.until(() => ended.signal.aborted || signal.aborted || this.undelivered.length > 0);
    clearTimeout(timer);
    await this.after();
    signal.throwIfAborted();
    return this.undelivered;
  };

  delivered = async (messageIds: readonly string[]): Promise<void> => {
    await this.beforeDelivered();
    this.acknowledged.push(...messageIds);
    // What is shown to nobody else is seen a moment later, as by another process.
    await delay(0);
    this.changed();
  };

  private get undelivered(): ReceivedMessage[] {
    return this.inbox.filter(({ message_id }) => !this.acknowledged.includes(message_id));
  }

  private async once<T>(key: string, act: () => T): Promise<T> {
    this.keys.push(key);
    this.changed();
    await this.before();
    if (!this.answers.has(key)) this.answers.set(key, act());
    await this.after();
    return this.answers.get(key) as T;
  }

  private changed(): void {
    for (const wake of this.wakes.splice(0)) wake();
  }
}

import type { HoldfastClient, SessionTaskMessage } from '@holdfast/client';
import type { Call } from '../native/http-native-store.js';
import type { AgentToRun, OutgoingMessage, SentMessage, StartedAgent, TurnTree } from './turn-tree.js';

/** Twenty agents are started one after the other. */
const runTimeoutMs = 60_000;
const callTimeoutMs = 10_000;

/** The api's tree of tasks under a turn's credential, which says whose tree that is. */
export class HttpTurnTree implements TurnTree {
  constructor(
    private readonly client: () => HoldfastClient,
    private readonly call: Call,
  ) {}

  async runAgents(agents: readonly AgentToRun[], key: string, signal: AbortSignal): Promise<readonly StartedAgent[]> {
    const request = { SessionTaskAgentsRun: { agents: [...agents] }, Idempotency_Key: key };
    const limits = { timeoutMs: runTimeoutMs, signal };
    const started = await this.call((init) => this.client().runners.runSessionTaskAgents(request, init), limits);
    return started.agents;
  }

  async sendMessage({ to, ...message }: OutgoingMessage, key: string, signal: AbortSignal): Promise<SentMessage> {
    const request = { SessionTaskMessageSend: { ...message, to: [...to] }, Idempotency_Key: key };
    const limits = { timeoutMs: callTimeoutMs, signal };
    return await this.call((init) => this.client().runners.sendSessionTaskMessage(request, init), limits);
  }

  async waitForMessages(timeout_seconds: number, signal: AbortSignal): Promise<readonly SessionTaskMessage[]> {
    const request = { SessionTaskMessageWait: { timeout_seconds } };
    const limits = { timeoutMs: timeout_seconds * 1_000 + callTimeoutMs, signal };
    const { messages } = await this.call(
      (init) => this.client().runners.waitForSessionTaskMessages(request, init),
      limits,
    );
    return messages;
  }

  async delivered(messageIds: readonly string[]): Promise<void> {
    const request = { SessionTaskMessageNote: { message_ids: [...messageIds] } };
    await this.call((init) => this.client().runners.setSessionTaskMessagesDelivered(request, init));
  }
}

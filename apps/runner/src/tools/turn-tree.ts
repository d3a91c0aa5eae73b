/** The agents that work together with a turn's own, as the api knows them, under the turn's credential. */
export interface TurnTree {
  /** Starts agents below this turn's. The same `key` starts them once. What could not be started is listed with its error. */
  runAgents(agents: readonly AgentToRun[], key: string, signal: AbortSignal): Promise<readonly StartedAgent[]>;
  /** Sends a message to agents of the same tree. The same `key` sends it once. */
  sendMessage(message: OutgoingMessage, key: string, signal: AbortSignal): Promise<SentMessage>;
  /** Waits up to `timeoutSeconds` (50 at most) for messages that were not delivered yet, the oldest first. */
  waitForMessages(timeoutSeconds: number, signal: AbortSignal): Promise<readonly ReceivedMessage[]>;
  /** Tells that the agent has these; repeating it changes nothing. */
  delivered(messageIds: readonly string[]): Promise<void>;
}

export interface AgentToRun {
  name: string;
  prompt: string;
  mode?: 'local' | 'remote';
  title?: string;
  /** Which configured agent runs it; without one the caller's own. */
  agent?: { name: string; revision?: number };
}

export interface StartedAgent {
  task_id: string;
  name: string;
  session_id: string | null;
  mode: string;
  state: string;
  error: { code?: string; message?: string } | null;
}

export interface OutgoingMessage {
  /** Task ids, names, `parent` or `orchestrator`. */
  to: readonly string[];
  subject?: string;
  body: string;
}

export interface SentMessage {
  message_id: string;
  to_task_ids: readonly string[];
}

export interface ReceivedMessage {
  message_id: string;
  from_task_id: string | null;
  /** How its sender is called in the tree. */
  from_name?: string | null;
  /** `lifecycle`: an agent that was started from here has ended. */
  kind: string;
  subject: string | null;
  body: string;
}

import type { AgentProcess, AgentTerms } from './agent-process.js';
import type { ToolsServer } from './tools/tools-socket.js';

/** A program that was found on this machine for a turn, before anything is started. */
export interface PreparedAgent {
  /** All variables that it will be started with. They say where its home is, and so its conversations. */
  readonly environment: Readonly<Record<string, string>>;
  /** The PATH on which the programs are found that belong to the harness. */
  readonly searchPath: string;
  start(terms: AgentTerms, client: AgentClient): DrivenAgent;
}

/**
 * One agent at work on one turn: over ACP, or through its own command line. Called in this order, each once:
 * `initialize`, `openSession`, `prompt`; `steer` and `cancel` while a prompt runs. What the agent itself answers as an
 * error is a RequestError of ACP, what it may not do an AgentProtocolError; anything else means that its process ended.
 */
export interface DrivenAgent {
  readonly process: AgentLife;
  /** Resolves when all the agent ever said has been handed to its client. */
  readonly drained: Promise<void>;
  initialize(): Promise<void>;
  /**
   * Opens a new conversation, or goes on with the named one; never a new one in its place (ResumeImpossible). Returns
   * the agent's own id of it; undefined when it has none before its first prompt, and then `onSession` tells it.
   */
  openSession(cwd: string, resumeSessionId: string | null): Promise<string | undefined>;
  /** Runs the prompt to its end. A process that ends with its prompt settles this before `process.exited`. */
  prompt(text: string): Promise<PromptEnd>;
  /** Whether it takes further prompts while one runs. */
  readonly takesSteering: boolean;
  /** Puts the text into the prompt that runs. False when the agent has not begun that prompt, or has ended it. */
  steer(text: string): Promise<boolean>;
  /** Asks it to end the prompt, which then ends `cancelled`. */
  cancel(): Promise<void>;
}

/** The process of an agent and all it started. `end` settles `exited` also of one that was not started yet. */
export type AgentLife = Pick<AgentProcess, 'isLive' | 'stderrTail' | 'exited' | 'died' | 'extend' | 'end'>;

/** What an agent needs of the turn that it serves. */
export interface AgentClient {
  /** The server of the Model Context Protocol with the turn's tools; undefined where there is none. */
  readonly tools: ToolsServer | undefined;
  /** Told of every chunk of the agent's stdout. */
  onOutput(bytes: number): void;
  /** The agent's own id of the conversation, where `openSession` could not tell it. */
  onSession(sessionId: string): void;
  /** Every ACP `session/update`, unchanged and in order. */
  onUpdate(update: Record<string, unknown>): void;
  /** What readers of the log must know, and no update of ACP can say. */
  onNotice(notice: { code: string; message: string }): void;
  /** Resolves when more output may be read; until then the agent's stdout is left unread. */
  room(): Promise<void>;
  /** `withdrawn` aborts when the agent no longer waits for this answer. */
  onPermission(request: PermissionRequest, withdrawn: AbortSignal): Promise<PermissionAnswer>;
}

/** A permission request as the agent sent it. */
export interface PermissionRequest {
  toolCall: Record<string, unknown> & { toolCallId: string };
  options: { optionId: string; name: string; kind: string }[];
}

export type PermissionOutcome = { outcome: 'selected'; optionId: string } | { outcome: 'cancelled' };

export interface PermissionAnswer {
  outcome: PermissionOutcome;
  /** Called once the outcome was given to the agent. */
  onDelivered(): void;
}

/** How the agent ended a prompt. */
export interface PromptEnd {
  stopReason: string;
  /** As the agent reported it, if it did. */
  usage?: Record<string, unknown>;
}

/** The agent spoke, but not as it must. */
export class AgentProtocolError extends Error {
  override readonly name = 'AgentProtocolError';
}

/** The session to be resumed is not known to the agent, or the agent cannot resume. */
export class ResumeImpossible extends Error {
  override readonly name = 'ResumeImpossible';
}

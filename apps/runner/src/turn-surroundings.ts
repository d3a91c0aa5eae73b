import type { Logger } from 'pino';
import type { AgentLauncher } from './agent-launcher.js';
import type { AgentLimits } from './agent-limits.js';
import type { ControlPlane } from './control-plane.js';
import type { SessionFolders } from './session-folders.js';

/** Deadlines of a turn, in milliseconds. */
export interface TurnTimings {
  /** From the agent's start until its session is open. */
  agentStartMs: number;
  /** How long an agent may take to stop by itself when it is cancelled. */
  cancelMs: number;
  /** Between SIGTERM and SIGKILL for an agent that did not stop by itself. */
  forcedEndMs: number;
  /** Between SIGTERM and SIGKILL for an agent whose turn is over. */
  orderlyEndMs: number;
  /** How long an agent may live after the last beat that succeeded was sent. */
  watchdogMs: number;
  /** Between two looks at what the agent's harness wrote of the conversation. */
  captureEveryMs: number;
  /** How long the last save of the conversation may take, the api being away included. */
  lastCaptureMs: number;
  /** Likewise for a turn that was to end before its time. */
  hurriedCaptureMs: number;
}

/** What every turn of this runner is given. */
export interface TurnSurroundings {
  plane: ControlPlane;
  timings: TurnTimings;
  limits: AgentLimits;
  watchdogPath: string;
  agents: AgentLauncher;
  folders: SessionFolders;
  /** Resolves when a beat that began after this call succeeded. */
  beatNow(): Promise<void>;
  log: Logger;
}

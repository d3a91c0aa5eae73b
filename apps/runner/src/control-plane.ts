import type {
  SessionInteraction,
  SessionInteractionRaise,
  SessionInteractionVerdict,
  SessionRunner,
  SessionRunnerRegister,
  SessionTurnBeatAnswer,
  SessionTurnBeats,
  SessionTurnClaim,
  SessionTurnComplete,
  SessionTurnGrant,
} from '@holdfast/client';

import type { NativeStore } from './native/native-store.js';
import type { TurnTree } from './tools/turn-tree.js';

/** The runner's view of the api. Everything the runner asks of it or tells it goes through here. */
export interface ControlPlane {
  /** Makes this process incarnation known, and again by itself when the api has forgotten it. */
  register(registration: SessionRunnerRegister): Promise<SessionRunner>;
  /** Waits up to `wait_seconds` for turns to host; at most `capacity` of them. */
  claim(claim: SessionTurnClaim, signal: AbortSignal): Promise<readonly SessionTurnGrant[]>;
  /** Renews the leases of all given turns. */
  heartbeat(beat: SessionTurnBeats, signal: AbortSignal): Promise<BeatAnswer>;
  /** Ends a turn; repeating it changes nothing. */
  complete(end: SessionTurnComplete): Promise<void>;
  /** Gives a turn back, for another runner to go on with; repeating it changes nothing. */
  handOver(turn: TurnKey, reason: string): Promise<void>;
  /** Tells that the agent of `turn` has taken the prompt that waited as `mergedTurnId`. */
  merge(turn: TurnKey, mergedTurnId: string): Promise<void>;
  /** Raises a question; repeating it with the same token gives the same interaction. */
  raiseInteraction(question: SessionInteractionRaise): Promise<Pick<SessionInteraction, 'interaction_id'>>;
  /** Tells that the agent has taken the answer. */
  resolveInteraction(interactionId: string, turn: TurnKey): Promise<void>;
  /** Appends events, each one already JSON text, as batch `seq` (0, 1, … per epoch). A repeated seq is taken once. */
  appendEvents(logPath: string, epoch: number, seq: number, events: readonly string[]): Promise<void>;
  /** The conversations that are stored of the turn's session. */
  native(turn: TurnKey): NativeStore;
  /** The agents that work together with the turn's own. */
  tree(turn: TurnKey): TurnTree;
  /** The replica's own control log from `offset` on, live and across reconnects, until `signal` aborts. */
  followControl(controlPath: string, offset: string, signal: AbortSignal): AsyncIterable<LoggedCommand>;
}

/** `commands`: what the control log has after the offset that the beat told. */
export interface BeatAnswer {
  turns: readonly SessionTurnBeatAnswer[];
  commands: readonly ControlCommand[];
}

export interface LoggedCommand {
  command: ControlCommand;
  /** Where the control log goes on after it. */
  offset: string;
}

/** Names a turn in a write; the epoch is the fence. */
export type TurnKey = Pick<SessionTurnGrant, 'session_id' | 'turn_id' | 'epoch'>;

/** How a turn ended. `usage` is what the agent reported, unchanged. */
export type TurnEnd = Omit<SessionTurnComplete, keyof TurnKey>;

interface CommandFor extends TurnKey {
  command_id: string;
}

/**
 * A message of the control log, which the OpenAPI document does not describe. It may come twice: in the log again, or
 * in the answer to a beat as well. `kill` is for the turn as of that epoch and before.
 */
export type ControlCommand =
  | (CommandFor & { type: 'cancel'; reason?: string })
  | (CommandFor & { type: 'steer'; prompt_turn_id: string; prompt: string })
  | (CommandFor & { type: 'answer'; interaction_id: string; verdict: SessionInteractionVerdict })
  | (CommandFor & { type: 'kill' });

/** The turn has another owner, or none: whatever was asked must never be repeated. */
export class StaleEpoch extends Error {
  override readonly name = 'StaleEpoch';
}

/** The api cannot be reached or cannot answer now; the same call may succeed later. */
export class ControlPlaneUnavailable extends Error {
  override readonly name = 'ControlPlaneUnavailable';

  constructor(
    message: string,
    /** The wait the api asked for, if any. */
    readonly retryAfterMs = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The api understood the call and will never accept it. */
export class ControlPlaneRefusal extends Error {
  override readonly name = 'ControlPlaneRefusal';

  constructor(
    readonly status: number,
    readonly code: string,
    /** For a person. */
    readonly detail: string,
  ) {
    super(`${code} (${status}): ${detail}`);
  }
}

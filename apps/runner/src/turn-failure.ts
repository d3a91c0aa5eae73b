import { MessageTooLargeError, RequestError } from '@agentclientprotocol/sdk';
import { AgentProtocolError, ResumeImpossible } from './driven-agent.js';
import { describeExceeded } from './agent-limits.js';
import type { AgentExit } from './agent-process.js';
import type { TurnEnd } from './control-plane.js';
import { storableStart, storableTail } from './storable.js';

/** The api takes messages of 4000 characters. */
const maxMessageLength = 1_500;
const maxLastWordsLength = 2_400;

/** A failure whose code and message are the turn's error. */
export class TurnFailure extends Error {
  override readonly name = 'TurnFailure';

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The agent's process ended before the turn did. */
export class AgentGone extends Error {
  override readonly name = 'AgentGone';

  constructor(readonly exit: AgentExit) {
    super('The agent ended.');
  }
}

const told = [TurnFailure, AgentGone, ResumeImpossible, AgentProtocolError, MessageTooLargeError, RequestError];

/** Whether the error says by itself what went wrong. */
export function isTold(error: unknown): boolean {
  return told.some((kind) => error instanceof kind);
}

/** Whether only the contact with the api was missing: the turn itself may go on elsewhere. */
export function hasLostContact(error: unknown): boolean {
  return error instanceof AgentGone && error.exit.expired && !error.exit.exceeded;
}

/** The end of a turn that failed, in words for the person who started it. */
export function failedEnd(error: unknown, stderr: string): TurnEnd {
  const { code, message, isFromProcess } = describe(error);
  const lastWords = isFromProcess && stderr !== '' ? `\n${storableTail(stderr, maxLastWordsLength)}` : '';
  return { status: 'failed', error: { code, message: storableStart(message, maxMessageLength) + lastWords } };
}

interface Description {
  code: string;
  message: string;
  /** What the agent wrote to stderr may tell why. */
  isFromProcess: boolean;
}

function describe(error: unknown): Description {
  if (error instanceof AgentGone) return describeExit(error.exit);
  if (error instanceof RequestError) {
    const message = `The agent answered with an error: ${error.message} (${error.code})${detailOf(error)}`;
    return { code: 'agent_error', message, isFromProcess: true };
  }
  const { message } = error as Error;
  if (error instanceof TurnFailure) return { code: error.code, message, isFromProcess: false };
  if (error instanceof ResumeImpossible) return { code: 'resume_state_missing', message, isFromProcess: false };
  return { code: 'agent_protocol_error', message, isFromProcess: true };
}

function describeExit(exit: AgentExit): Description {
  if (exit.startFailure !== null) {
    const message =
      `The agent could not be started: ${exit.startFailure}. ` +
      "Install its program on the runner's machine, or change the agent's command.";
    return { code: 'agent_start_failed', message, isFromProcess: true };
  }
  if (exit.exceeded) return { ...describeExceeded(exit.exceeded), isFromProcess: false };
  if (exit.expired) {
    const message = 'The runner could not renew its lease in time, so its watchdog ended the agent.';
    return { code: 'runner_lost_contact', message, isFromProcess: false };
  }
  return { code: 'agent_exited', message: exitMessage(exit), isFromProcess: true };
}

function exitMessage({ code, signal }: AgentExit): string {
  if (signal !== null) return `The agent was ended by ${signal} before its turn was over.`;
  if (code !== null) return `The agent exited with code ${code} before its turn was over.`;
  return 'The watchdog of the agent died, so the agent was ended.';
}

function detailOf(error: RequestError): string {
  const details = (error.data as { details?: unknown } | undefined)?.details;
  return typeof details === 'string' ? `: ${details}` : '';
}

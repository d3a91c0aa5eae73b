import { ControlPlaneRefusal, ControlPlaneUnavailable, StaleEpoch } from '../control-plane.js';

/** Why a tool call did nothing (or perhaps something), in words for the agent that made it. */
export class ToolFailure extends Error {
  override readonly name = 'ToolFailure';

  constructor(
    readonly code: string,
    message: string,
    /** What to do next. */
    readonly next: string,
  ) {
    super(message);
  }
}

const nextByCode: Record<string, string> = {
  task_limit: 'Wait with wait_for_messages until agents have ended, or do the work yourself.',
  task_not_found: "Name agents by the task_id or the name that run_agents answered, or by 'parent' or 'orchestrator'.",
  task_ended: 'Its agent takes nothing more. Start another one with run_agents.',
  agent_not_found: 'Leave "agent" out to run your own kind of agent, or name one that the project has.',
  request_invalid: 'Correct the arguments and call it again.',
  body_too_large: 'Say less at once, or put the rest into a file that the other agent can read.',
};

/** What the agent is told of any error. */
export function toolFailureOf(error: unknown): ToolFailure {
  if (error instanceof ToolFailure) return error;
  if (error instanceof StaleEpoch) {
    return new ToolFailure(
      'turn_not_current',
      'This turn is no longer yours.',
      'Stop: nothing that you do now counts.',
    );
  }
  if (error instanceof ControlPlaneRefusal) {
    const next = nextByCode[error.code] ?? 'Do not repeat it unchanged; go on without it.';
    return new ToolFailure(error.code, error.detail, next);
  }
  if (error instanceof ControlPlaneUnavailable) return unanswered();
  return new ToolFailure('tool_failed', 'The tool failed for a reason of its own.', 'Go on without it.');
}

export function unanswered(): ToolFailure {
  return new ToolFailure(
    'api_unavailable',
    'Holdfast did not answer in time. It may have been done all the same.',
    'Call it again with the same arguments, which does it only once.',
  );
}

export function turnOver(): ToolFailure {
  return new ToolFailure('turn_over', 'This turn has ended or is to end.', 'Stop working.');
}

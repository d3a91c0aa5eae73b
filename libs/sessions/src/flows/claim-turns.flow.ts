import { Injectable } from '@nestjs/common';
import { AgentsReader } from '@holdfast/agents';
import {
  logUrlPath,
  sessionLogPath,
  TurnClaimsService,
  type RunnerReplica,
  type SessionTurnClaim,
  type SessionTurnGrant,
} from '@holdfast/sessions-streams';

/** Gives a runner turns together with what their pinned agents are. */
@Injectable()
export class ClaimTurnsFlow {
  constructor(
    private readonly claims: TurnClaimsService,
    private readonly agents: AgentsReader,
  ) {}

  /** Errors: replica_unknown. */
  async run(
    runner: RunnerReplica,
    { capacity, wait_seconds }: Pick<SessionTurnClaim, 'capacity' | 'wait_seconds'>,
    signal: AbortSignal,
  ): Promise<SessionTurnGrant[]> {
    const claimed = await this.claims.claim(runner, capacity, wait_seconds, signal);
    return Promise.all(
      claimed.map(async ({ turn, epoch, resume_agent_session_id }) => {
        const reference = { name: turn.agent_name, revision: turn.agent_revision };
        const { model, environment, command } = await this.agents.fetchRevision(runner.project_id, reference);
        return {
          session_id: turn.session_id,
          turn_id: turn.turn_id,
          attempt: turn.attempt,
          epoch,
          prompt: turn.prompt,
          agent: reference,
          harness: turn.harness,
          model,
          environment,
          command,
          log_path: logUrlPath(sessionLogPath(turn.session_id)),
          resume_agent_session_id,
        };
      }),
    );
  }
}

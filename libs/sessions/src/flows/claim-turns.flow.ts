import { Injectable, Logger } from '@nestjs/common';
import { AgentsReader } from '@holdfast/agents';
import { TurnCredentials } from '@holdfast/platform-auth';
import type { TurnFence } from '@holdfast/platform-postgres';
import {
  logUrlPath,
  sessionLogPath,
  TurnClaimsService,
  type ClaimedTurn,
  type RunnerReplica,
  type SessionTurnClaim,
  type SessionTurnGrant,
} from '@holdfast/sessions-streams';
import { HandOverTurnFlow } from './hand-over-turn.flow.js';

/** Gives a runner turns together with what their pinned agents are. */
@Injectable()
export class ClaimTurnsFlow {
  private readonly logger = new Logger(ClaimTurnsFlow.name);

  constructor(
    private readonly claims: TurnClaimsService,
    private readonly agents: AgentsReader,
    private readonly credentials: TurnCredentials,
    private readonly handOver: HandOverTurnFlow,
  ) {}

  /** What is claimed when `signal` aborts goes back in line. Errors: replica_unknown. */
  async run(
    runner: RunnerReplica,
    { capacity, wait_seconds, claim_id }: Omit<SessionTurnClaim, 'replica_id'>,
    signal: AbortSignal,
  ): Promise<SessionTurnGrant[]> {
    const claimed = await this.claims.claim(runner, capacity, wait_seconds, signal, claim_id);
    const grants = await Promise.all(
      claimed.map((one) =>
        this.grant(runner, one).catch((error: unknown) => {
          // The others must reach their runner. This one's lease runs out, and it is claimed again.
          const { session_id, turn_id } = one.turn;
          this.logger.error({ event: 'grant.failed', session_id, turn_id, err: error });
          return undefined;
        }),
      ),
    );
    if (!signal.aborted) return grants.filter((grant) => grant !== undefined);
    for (const { turn, epoch } of claimed) await this.giveBack({ ...turn, epoch });
    return [];
  }

  /** Nobody is there to take the grant: the turn is not to wait until its lease runs out, nor to count as lost. */
  private async giveBack({ project_id, session_id, turn_id, epoch }: TurnFence): Promise<void> {
    const detach = { session_id, turn_id, epoch, reason: 'claim_abandoned' };
    await this.handOver.run(project_id, detach).catch((error: unknown) => {
      // The others are to be given back too. This one's lease runs out.
      this.logger.error({ event: 'claim.not_given_back', session_id, turn_id, err: error });
    });
  }

  private async grant(
    { project_id, key_id }: RunnerReplica,
    { turn, epoch, resume_conversation, resume_agent_session_id }: ClaimedTurn,
  ): Promise<SessionTurnGrant> {
    const { session_id, turn_id, attempt, prompt, harness, drive, approvals } = turn;
    const reference = { name: turn.agent_name, revision: turn.agent_revision };
    const [credential, { model, environment, command }] = await Promise.all([
      this.credentials.mint({ project_id, key_id, session_id, turn_id, epoch }),
      this.agents.fetchRevision(project_id, reference),
    ]);
    return {
      session_id,
      turn_id,
      attempt,
      epoch,
      prompt,
      agent: reference,
      harness,
      drive,
      approvals,
      model,
      environment,
      command,
      log_path: logUrlPath(sessionLogPath(session_id)),
      resume_conversation,
      resume_agent_session_id,
      credential,
    };
  }
}

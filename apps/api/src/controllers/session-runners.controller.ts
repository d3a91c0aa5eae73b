import { Body, Controller, HttpCode, HttpStatus, Post, Req } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import {
  CredentialScope,
  CurrentPrincipal,
  requireTurnScope,
  RunnerOnly,
  RunnerOrTurn,
  TurnOnly,
  type Principal,
  type TurnScope,
} from '@holdfast/platform-auth';
import { ApiProblems, Draining, JudgesEach } from '@holdfast/platform-http';
import { StaleEpoch } from '@holdfast/platform-postgres';
import { BeatTurnsFlow, ClaimTurnsFlow, CompleteTurnFlow, HandOverTurnFlow, MergePromptFlow } from '@holdfast/sessions';
import {
  PromptNotOffered,
  ReplicaTaken,
  ReplicaUnknown,
  SessionRunner,
  SessionRunnerRegister,
  SessionTurn,
  SessionTurnBeatAnswers,
  SessionTurnBeats,
  SessionTurnClaim,
  SessionTurnComplete,
  SessionTurnDetach,
  SessionTurnGrants,
  SessionTurnMerge,
  StreamsConfig,
  toSessionTurn,
  TurnClaimsService,
  TurnNotFound,
  TurnNotLive,
} from '@holdfast/sessions-streams';
import { openRequest } from '../log/open-request.js';

/** What runners call. Runners pull: nothing here calls out to one. */
@ApiTags('session-runners')
@Controller('v1/admin/sessions/streams')
export class SessionRunnersController {
  constructor(
    private readonly claims: TurnClaimsService,
    private readonly claimFlow: ClaimTurnsFlow,
    private readonly beatFlow: BeatTurnsFlow,
    private readonly completeFlow: CompleteTurnFlow,
    private readonly handOverFlow: HandOverTurnFlow,
    private readonly mergeFlow: MergePromptFlow,
    private readonly config: StreamsConfig,
    private readonly draining: Draining,
  ) {}

  /** Makes this incarnation of a runner known. Again changes its pools, labels and capacity. */
  @Post('register')
  @RunnerOnly()
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionRunner, description: 'Registered.' })
  @ApiProblems(ReplicaTaken)
  async registerSessionRunner(
    @CurrentPrincipal() { project_id, key_id }: Principal,
    @Body() { replica_id, ...offer }: SessionRunnerRegister,
  ): Promise<SessionRunner> {
    const { control_path } = await this.claims.register({ project_id, replica_id, key_id }, offer);
    return {
      control_path,
      lease_seconds: this.config.leaseSeconds,
      beat_seconds: this.config.beatSeconds,
      watchdog_seconds: this.config.watchdogSeconds,
    };
  }

  /** Waits for turns that the runner may take and makes it their owner. */
  @Post('claim')
  @RunnerOnly()
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTurnGrants, description: 'The claimed turns; none when none came in time.' })
  @ApiProblems(ReplicaUnknown)
  async claimSessionTurns(
    @CurrentPrincipal() { project_id, key_id }: Principal,
    @Body() { replica_id, ...claim }: SessionTurnClaim,
    @Req() request: FastifyRequest,
  ): Promise<SessionTurnGrants> {
    const waiting = openRequest(request.raw, this.draining);
    try {
      return { turns: await this.claimFlow.run({ project_id, replica_id, key_id }, claim, waiting.signal) };
    } finally {
      waiting.done();
    }
  }

  /**
   * Renews the leases of all turns of a runner, and says which of them it has lost. A service that a turn was pushed to
   * beats for that turn, with the turn's id as `replica_id`.
   */
  @Post('heartbeat')
  @RunnerOrTurn()
  @JudgesEach('turns')
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTurnBeatAnswers, description: 'One answer for each beat.' })
  @ApiProblems(CredentialScope, ReplicaUnknown)
  beatSessionTurns(
    @CurrentPrincipal() principal: Principal,
    @Body() { replica_id, ...beats }: SessionTurnBeats,
  ): Promise<SessionTurnBeatAnswers> {
    requireTurnScope(principal, { replica_id });
    // What is malformed is for the flow to say; what names another attempt must not renew it.
    for (const beat of beats.turns) requireTurnScope(principal, beatenTurn(beat));
    const { project_id, key_id } = principal;
    return this.beatFlow.run({ project_id, replica_id, key_id }, beats);
  }

  /** Gives a turn to another runner, at a point where that one can go on. A retry is answered like the first call. */
  @Post('detach')
  @TurnOnly()
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTurn, description: 'The turn: in line again, or over when it was to stop.' })
  @ApiProblems(CredentialScope, TurnNotFound, StaleEpoch)
  async detachSessionTurn(
    @CurrentPrincipal() principal: Principal,
    @Body() detach: SessionTurnDetach,
  ): Promise<SessionTurn> {
    requireTurnScope(principal, scopeOf(detach));
    return toSessionTurn(await this.handOverFlow.run(principal.project_id, detach));
  }

  /** Says that the agent has taken a prompt that was offered to its turn. A retry is answered like the first call. */
  @Post('merge')
  @TurnOnly()
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTurn, description: 'The turn of the prompt, merged.' })
  @ApiProblems(CredentialScope, TurnNotFound, StaleEpoch, TurnNotLive, PromptNotOffered)
  async mergeSessionTurn(
    @CurrentPrincipal() principal: Principal,
    @Body() merge: SessionTurnMerge,
  ): Promise<SessionTurn> {
    requireTurnScope(principal, scopeOf(merge));
    return toSessionTurn(await this.mergeFlow.run(principal.project_id, merge));
  }

  /** Ends a turn: the last write for it. A retry is answered like the first call. */
  @Post('complete')
  @TurnOnly()
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTurn, description: 'The ended turn.' })
  @ApiProblems(CredentialScope, TurnNotFound, StaleEpoch)
  async completeSessionTurn(
    @CurrentPrincipal() principal: Principal,
    @Body() complete: SessionTurnComplete,
  ): Promise<SessionTurn> {
    requireTurnScope(principal, scopeOf(complete));
    return toSessionTurn(await this.completeFlow.run(principal.project_id, complete));
  }
}

const scopeOf = ({ session_id, turn_id, epoch }: SessionTurnComplete | SessionTurnDetach | SessionTurnMerge) => ({
  session_id,
  turn_id,
  epoch,
});

/** Whatever was sent for a beat may be anything. */
function beatenTurn(beat: unknown): Partial<TurnScope> {
  const { session_id, turn_id, epoch } = Object(beat) as Partial<TurnScope>;
  // In the form that the credential has it.
  return { session_id, turn_id: typeof turn_id === 'string' ? turn_id.toLowerCase() : turn_id, epoch };
}

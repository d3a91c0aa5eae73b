import { Body, Controller, HttpCode, HttpStatus, Post, Req } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, RunnerOnly, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, Draining } from '@holdfast/platform-http';
import { StaleEpoch } from '@holdfast/platform-postgres';
import { ClaimTurnsFlow, CompleteTurnFlow } from '@holdfast/sessions';
import {
  ReplicaTaken,
  ReplicaUnknown,
  SessionRunner,
  SessionRunnerRegister,
  SessionTurn,
  SessionTurnBeatAnswers,
  SessionTurnBeats,
  SessionTurnClaim,
  SessionTurnComplete,
  SessionTurnGrants,
  StreamsConfig,
  toSessionTurn,
  TurnBeatsService,
  TurnClaimsService,
  TurnNotFound,
} from '@holdfast/sessions-streams';
import { openRequest } from '../log/open-request.js';

/** What runners call. Runners pull: nothing here calls out to one. */
@ApiTags('session-runners')
@RunnerOnly()
@Controller('v1/admin/sessions/streams')
export class SessionRunnersController {
  constructor(
    private readonly claims: TurnClaimsService,
    private readonly beats: TurnBeatsService,
    private readonly claimFlow: ClaimTurnsFlow,
    private readonly completeFlow: CompleteTurnFlow,
    private readonly config: StreamsConfig,
    private readonly draining: Draining,
  ) {}

  /** Makes this incarnation of a runner known. Again changes its pools. */
  @Post('register')
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionRunner, description: 'Registered.' })
  @ApiProblems(ReplicaTaken)
  async registerSessionRunner(
    @CurrentPrincipal() { project_id, key_id }: Principal,
    @Body() { replica_id, pools }: SessionRunnerRegister,
  ): Promise<SessionRunner> {
    const { control_path } = await this.claims.register({ project_id, replica_id, key_id }, pools);
    return {
      control_path,
      lease_seconds: this.config.leaseSeconds,
      beat_seconds: this.config.beatSeconds,
      watchdog_seconds: this.config.watchdogSeconds,
    };
  }

  /** Waits for turns of the runner's pools and makes it their owner. */
  @Post('claim')
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

  /** Renews the leases of all turns of a runner, and says which of them it has lost. */
  @Post('heartbeat')
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTurnBeatAnswers, description: 'One answer for each beat.' })
  @ApiProblems(ReplicaUnknown)
  async beatSessionTurns(
    @CurrentPrincipal() { project_id, key_id }: Principal,
    @Body() { replica_id, turns }: SessionTurnBeats,
  ): Promise<SessionTurnBeatAnswers> {
    return { turns: await this.beats.beat({ project_id, replica_id, key_id }, turns) };
  }

  /** Ends a turn: the last write for it. A retry is answered like the first call. */
  @Post('complete')
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTurn, description: 'The ended turn.' })
  @ApiProblems(TurnNotFound, StaleEpoch)
  async completeSessionTurn(
    @CurrentPrincipal() { project_id }: Principal,
    @Body() complete: SessionTurnComplete,
  ): Promise<SessionTurn> {
    return toSessionTurn(await this.completeFlow.run(project_id, complete));
  }
}

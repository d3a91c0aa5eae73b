import { Body, Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, TurnOnly, type TurnPrincipal } from '@holdfast/platform-auth';
import { ApiProblems, IdempotencyKey } from '@holdfast/platform-http';
import { IdempotencyKeyReused, StaleEpoch } from '@holdfast/platform-postgres';
import { RunAgentsFlow } from '@holdfast/sessions';
import { SessionTaskAgentsRun, SessionTaskAgentsStarted, TaskLimit, TaskStopping } from '@holdfast/sessions-sharing';
import { TurnNotFound, TurnNotLive } from '@holdfast/sessions-streams';

/** What the owner of a turn calls for its agent to start others. */
@ApiTags('session-runners')
@Controller('v1/admin/sessions/tasks')
export class SessionTaskRunsController {
  constructor(private readonly flow: RunAgentsFlow) {}

  /**
   * Starts agents below the task of the calling turn, which is made where its session has none. One that does not start
   * is listed with its error, and the others go on. A retry under the same Idempotency-Key is answered like the first call.
   */
  @Post('run')
  @TurnOnly()
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTaskAgentsStarted, description: 'What became of each.' })
  @ApiProblems(StaleEpoch, TurnNotFound, TurnNotLive, TaskLimit, TaskStopping, IdempotencyKeyReused)
  runSessionTaskAgents(
    @CurrentPrincipal() principal: TurnPrincipal,
    @Body() run: SessionTaskAgentsRun,
    @IdempotencyKey() key: string | undefined,
  ): Promise<SessionTaskAgentsStarted> {
    return this.flow.run(principal, run, key);
  }
}

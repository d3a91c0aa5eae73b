import { Body, Controller, HttpCode, HttpStatus, Post, Req } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, TurnOnly, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed, Draining, IdempotencyKey } from '@holdfast/platform-http';
import { IdempotencyKeyReused, StaleEpoch, type TurnFence } from '@holdfast/platform-postgres';
import {
  RecipientUnknown,
  SessionTaskMessageNote,
  SessionTaskMessagePage,
  SessionTaskMessageQuery,
  SessionTaskMessages,
  SessionTaskMessageSend,
  SessionTaskMessageSent,
  SessionTaskMessagesNoted,
  SessionTaskMessageWait,
  TaskLimit,
  TaskMessages,
  TaskMessageTooLarge,
  TaskMissing,
} from '@holdfast/sessions-sharing';
import { TurnNotLive } from '@holdfast/sessions-streams';
import { openRequest } from '../log/open-request.js';

/** What the agents of one tree write to each other. Whoever calls speaks for the task of its turn's session. */
@ApiTags('session-runners')
@TurnOnly()
@Controller('v1/admin/sessions/tasks/messages')
export class SessionTaskMessagesController {
  constructor(
    private readonly messages: TaskMessages,
    private readonly draining: Draining,
  ) {}

  /** Sends a message to agents of the same tree. */
  @Post()
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTaskMessageSent, description: 'The message, in the boxes of those it is for.' })
  @ApiProblems(
    StaleEpoch,
    TurnNotLive,
    TaskMissing,
    RecipientUnknown,
    TaskMessageTooLarge,
    TaskLimit,
    IdempotencyKeyReused,
  )
  sendSessionTaskMessage(
    @CurrentPrincipal() principal: Principal,
    @Body() send: SessionTaskMessageSend,
    @IdempotencyKey() key: string | undefined,
  ): Promise<SessionTaskMessageSent> {
    return this.messages.send(callerOf(principal), send, key);
  }

  /** Messages to the caller's task, oldest first. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTaskMessagePage, description: 'A page of messages.' })
  @ApiProblems(TaskMissing, CursorMalformed)
  querySessionTaskMessages(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionTaskMessageQuery,
  ): Promise<SessionTaskMessagePage> {
    return this.messages.query(callerOf(principal), query);
  }

  /** Waits for messages that were not delivered. They come again until they are noted as delivered. */
  @Post('wait')
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTaskMessages, description: 'The messages; none when none came in time.' })
  @ApiProblems(StaleEpoch, TurnNotLive, TaskMissing)
  async waitForSessionTaskMessages(
    @CurrentPrincipal() principal: Principal,
    @Body() { timeout_seconds }: SessionTaskMessageWait,
    @Req() request: FastifyRequest,
  ): Promise<SessionTaskMessages> {
    const open = openRequest(request.raw, this.draining);
    try {
      return { messages: await this.messages.wait(callerOf(principal), timeout_seconds, open.signal) };
    } finally {
      open.done();
    }
  }

  /** Notes that messages were handed to the agent. Again changes nothing. */
  @Post('delivered')
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTaskMessagesNoted, description: 'Those of which it was new.' })
  @ApiProblems(StaleEpoch, TurnNotLive, TaskMissing)
  setSessionTaskMessagesDelivered(
    @CurrentPrincipal() principal: Principal,
    @Body() { message_ids }: SessionTaskMessageNote,
  ): Promise<SessionTaskMessagesNoted> {
    return this.note(principal, 'delivered', message_ids);
  }

  /** Notes that the agent has read messages, which includes that they were delivered. Again changes nothing. */
  @Post('read')
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionTaskMessagesNoted, description: 'Those of which it was new.' })
  @ApiProblems(StaleEpoch, TurnNotLive, TaskMissing)
  setSessionTaskMessagesRead(
    @CurrentPrincipal() principal: Principal,
    @Body() { message_ids }: SessionTaskMessageNote,
  ): Promise<SessionTaskMessagesNoted> {
    return this.note(principal, 'read', message_ids);
  }

  private async note(
    principal: Principal,
    what: 'delivered' | 'read',
    message_ids: string[],
  ): Promise<SessionTaskMessagesNoted> {
    return { message_ids: await this.messages.note(callerOf(principal), what, message_ids) };
  }
}

/** The route's policy lets credentials of turns through, and no others. */
function callerOf(principal: Principal): TurnFence {
  if (principal.kind !== 'turn') throw new Error('a route of turns was called by somebody else');
  return { project_id: principal.project_id, ...principal.turn };
}

import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  HttpStatus,
  Param,
  Post,
  Put,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  LogSubscriptionCreate,
  LogSubscriptionPath,
  LogSubscriptionQuery,
  LogSubscriptionStreams,
  SigningKeys,
  SUBSCRIPTION_ID,
  StreamReserved,
  SubscriptionAck,
  SubscriptionClaimCreate,
  SubscriptionNotFound,
  SubscriptionRelease,
  SubscriptionWakes,
  SubscriptionsService,
  WakeTokenInvalid,
  type LogSubscription,
  type ShownSubscription,
  type SigningJwk,
  type SubscriptionAcked,
  type SubscriptionClaim,
} from '@holdfast/durable-streams';
import {
  CurrentPrincipal,
  OfSessionByHandler,
  Permit,
  Public,
  SessionAccess,
  type Principal,
} from '@holdfast/platform-auth';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import { SessionNotFound } from '@holdfast/platform-postgres';
import { isActivityLogPath, taskIdOfLog, TaskNotFound } from '@holdfast/sessions-sharing';
import { isReservedLogPath, isSessionLogPath, sessionIdOfLog } from '@holdfast/sessions-streams';
import { PublicUrl } from '../log/public-url.js';
import { checkedPath } from '../log/stream-path.js';

/**
 * Subscriptions of the Durable Streams protocol (section 6): they wake workers when streams have something new. Workers
 * answer with the token of their wake instead of a key. Like the streams themselves they are described by the protocol
 * and not by the OpenAPI document.
 */
@ApiExcludeController()
@Controller('v1/stream/__ds')
export class LogSubscriptionsController {
  constructor(
    private readonly subscriptions: SubscriptionsService,
    private readonly wakes: SubscriptionWakes,
    private readonly keys: SigningKeys,
    private readonly publicUrl: PublicUrl,
    private readonly access: SessionAccess,
  ) {}

  /** The public keys by which receivers of webhooks know that a call is ours, as a JWK Set (RFC 7517). */
  @Get('jwks.json')
  @Public()
  @Header('content-type', 'application/jwk-set+json')
  @Header('cache-control', 'public, max-age=300')
  async fetchSigningKeys(): Promise<{ keys: SigningJwk[] }> {
    return { keys: await this.keys.published() };
  }

  /** Makes a subscription under the caller's id. Sent again with the same content, it changes nothing. */
  @Put('subscriptions/:subscription_id')
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler({ role: 'never' })
  async createLogSubscription(
    @CurrentPrincipal() principal: Principal,
    @Param() { subscription_id }: LogSubscriptionPath,
    @Body() body: LogSubscriptionCreate,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LogSubscription> {
    const { project_id } = principal;
    const streams = body.streams?.map(streamPath);
    await this.requireReach(principal, streams ?? []);
    const { subscription, created } = await this.subscriptions.create(
      { project_id, subscription_id },
      {
        ...body,
        streams,
        wake_stream: body.wake_stream && wakeStreamPath(body.wake_stream),
      },
      this.publicUrl.baseFor(request.raw),
    );
    void reply.status(created ? HttpStatus.CREATED : HttpStatus.OK);
    return shown(subscription);
  }

  @Get('subscriptions/:subscription_id')
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler({ role: 'never' })
  async fetchLogSubscription(
    @CurrentPrincipal() { project_id }: Principal,
    @Param() { subscription_id }: LogSubscriptionPath,
    @Query() { cursor }: LogSubscriptionQuery,
  ): Promise<LogSubscription> {
    const after = decodeCursor(cursor, { path: 'string' })?.path;
    return shown(await this.subscriptions.fetch({ project_id, subscription_id }, after));
  }

  /** Removes it. Whatever its workers say from then on is refused. */
  @Delete('subscriptions/:subscription_id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler({ role: 'never' })
  async deleteLogSubscription(
    @CurrentPrincipal() { project_id }: Principal,
    @Param() { subscription_id }: LogSubscriptionPath,
  ): Promise<void> {
    await this.subscriptions.delete({ project_id, subscription_id });
  }

  /** Adds streams by name, at their ends. One that does not exist yet is told of from its first message on. */
  @Post('subscriptions/:subscription_id/streams')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler({ role: 'never' })
  async addLogSubscriptionStreams(
    @CurrentPrincipal() principal: Principal,
    @Param() { subscription_id }: LogSubscriptionPath,
    @Body() { streams }: LogSubscriptionStreams,
  ): Promise<void> {
    const { project_id } = principal;
    const paths = streams.map(streamPath);
    await this.requireReach(principal, paths);
    await this.subscriptions.addStreams({ project_id, subscription_id }, paths);
  }

  /** Takes back that a stream was added by name. It stays while the pattern matches it. */
  @Delete('subscriptions/:subscription_id/streams/*')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler({ role: 'never' })
  async removeLogSubscriptionStream(
    @CurrentPrincipal() { project_id }: Principal,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    const { subscription_id, '*': path } = request.params as { subscription_id: string; '*': string };
    if (!SUBSCRIPTION_ID.test(subscription_id))
      throw SubscriptionNotFound({ subscription_id: subscription_id.slice(0, 128) });
    await this.subscriptions.removeStream({ project_id, subscription_id }, streamPath(path));
  }

  /** Takes the work of a pull-wake subscription, under a lease. */
  @Post('subscriptions/:subscription_id/claim')
  @HttpCode(HttpStatus.OK)
  @Permit('RUN_SESSIONS')
  @OfSessionByHandler({ role: 'never' })
  claimSubscriptionWake(
    @CurrentPrincipal() { project_id }: Principal,
    @Param() { subscription_id }: LogSubscriptionPath,
    @Body() { worker }: SubscriptionClaimCreate,
  ): Promise<SubscriptionClaim> {
    return this.wakes.claim({ project_id, subscription_id }, worker);
  }

  /** Says how far the claimer of a pull-wake subscription is, and extends its lease; with `done`, ends the work. */
  @Post('subscriptions/:subscription_id/ack')
  @HttpCode(HttpStatus.OK)
  @Public()
  ackSubscriptionWake(
    @Param() { subscription_id }: LogSubscriptionPath,
    @Body() body: SubscriptionAck,
    @Req() request: FastifyRequest,
  ): Promise<SubscriptionAcked> {
    return this.ack(subscription_id, 'pull-wake', body, request);
  }

  /** Says how far the receiver of a webhook is, and extends its lease; with `done`, ends the work. */
  @Post('subscriptions/:subscription_id/callback')
  @HttpCode(HttpStatus.OK)
  @Public()
  callBackSubscriptionWake(
    @Param() { subscription_id }: LogSubscriptionPath,
    @Body() body: SubscriptionAck,
    @Req() request: FastifyRequest,
  ): Promise<SubscriptionAcked> {
    return this.ack(subscription_id, 'webhook', body, request);
  }

  /** Gives the work of a pull-wake subscription back. */
  @Post('subscriptions/:subscription_id/release')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Public()
  async releaseSubscriptionWake(
    @Param() { subscription_id }: LogSubscriptionPath,
    @Body() body: SubscriptionRelease,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    await this.wakes.release(subscription_id, tokenOf(request), body);
  }

  /** Nobody is woken by name by what they may not read: patterns leave that out. Errors: session_not_found, task_not_found. */
  private async requireReach(principal: Principal, paths: string[]): Promise<void> {
    const session_ids = paths.filter(isSessionLogPath).map(sessionIdOfLog);
    const task_ids = paths.filter(isActivityLogPath).map(taskIdOfLog);
    const [reached, told] = await Promise.all([
      this.access.reached(principal, session_ids),
      this.access.reachedActivities(principal, task_ids),
    ]);
    const lost = session_ids.find((session_id) => !reached.has(session_id));
    if (lost !== undefined) throw SessionNotFound({ session_id: lost });
    const untold = task_ids.find((task_id) => !told.has(task_id));
    if (untold !== undefined) throw TaskNotFound({ task_id: untold });
  }

  private async ack(
    subscription_id: string,
    type: 'webhook' | 'pull-wake',
    body: SubscriptionAck,
    request: FastifyRequest,
  ): Promise<SubscriptionAcked> {
    const acks = body.acks?.map(({ stream, offset }) => ({ stream: relative(stream), offset }));
    return { ok: true, ...(await this.wakes.ack(subscription_id, tokenOf(request), type, { ...body, acks })) };
  }
}

/** Errors: wake_token_invalid. */
function tokenOf(request: FastifyRequest): string {
  const token = /^Bearer +([^ ]+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (!token) throw WakeTokenInvalid();
  return token;
}

/** Paths in bodies are relative to the root of streams; a slash around one changes nothing. */
function relative(path: string): string {
  let [start, end] = [0, path.length];
  while (path[start] === '/') start += 1;
  while (end > start && path[end - 1] === '/') end -= 1;
  return path.slice(start, end);
}

/** Errors: stream_path_invalid. */
const streamPath = (path: string) => checkedPath(relative(path));

/** Nobody writes to the log of a session but its runner and the server. Errors: stream_path_invalid, stream_reserved. */
function wakeStreamPath(path: string): string {
  const checked = streamPath(path);
  if (isReservedLogPath(checked)) throw StreamReserved({ path: checked });
  return checked;
}

function shown({ subscription, next_after }: ShownSubscription): LogSubscription {
  return { ...subscription, next_cursor: next_after === undefined ? null : encodeCursor({ path: next_after }) };
}

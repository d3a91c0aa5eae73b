import {
  Body,
  Controller,
  Get,
  Headers,
  HttpCode,
  HttpStatus,
  Param,
  Post,
  Put,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiHeader, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  CredentialScope,
  CurrentPrincipal,
  OfSession,
  OfSessionByHandler,
  PermitOrTurn,
  SessionAccess,
  type Principal,
} from '@holdfast/platform-auth';
import { BlobStoreUnavailable } from '@holdfast/platform-blobs';
import { ApiProblems, CursorMalformed, JsonMalformed, TooManyBodies } from '@holdfast/platform-http';
import { SessionNotFound, StaleEpoch } from '@holdfast/platform-postgres';
import { ConvertNativeFlow, SaveNativeFlow } from '@holdfast/sessions';
import { SessionArchived } from '@holdfast/sessions-directory';
import { SessionInUse, TurnNotFound, TurnNotLive } from '@holdfast/sessions-streams';
import {
  ConversationLoadFailed,
  EnvelopeInvalid,
  HarnessMismatch,
  NativePartRefused,
  NativeSaveIncomplete,
  NativeSaveNotFound,
  NativeTranscriptsReader,
  parseNativePrecondition,
  PreconditionMalformed,
  PreconditionRequired,
  ResumeStateMissing,
  SessionNativeChunk,
  SessionNativeContentSelector,
  SessionNativeConversationPage,
  SessionNativeConversationQuery,
  SessionNativeConvert,
  SessionNativeConverted,
  SessionNativeEnvelopeSet,
  SessionNativeManifest,
  SessionNativePart,
  SessionNativeSave,
  SessionNativeSaveFinish,
  SessionNativeSaveOpen,
  SessionNativeSavePath,
  SessionNativeSelector,
  SessionNativeVersion,
  SessionNativeVersionPage,
  SessionNativeVersionQuery,
  TooManyDownloads,
  TranscriptBehind,
  TranscriptTooLarge,
  TranscriptTooManyParts,
  VersionConflict,
} from '@holdfast/sessions-transcripts';
import { NativeBodies } from '../native/native-bodies.js';
import { readerOf } from '../native/native-access.js';

const IF_MATCH = {
  name: 'If-Match',
  required: false,
  description: 'The version that the save builds on, in quotes: the newest of its branch.',
};
const IF_NONE_MATCH = { name: 'If-None-Match', required: false, description: '`*`: the conversation is to be made.' };

/** `ETag` of a version. */
const entityTag = (version: number) => `"${version}"`;

/**
 * The harnesses' own files of conversations (docs/reference/native-transcripts.md). They hold what was never meant for
 * viewers, system prompts and secrets among it, so reading them takes RUN_SESSIONS.
 */
@ApiTags('session-native-transcripts')
@PermitOrTurn('RUN_SESSIONS')
@Controller('v1/admin/sessions/transcripts/native')
export class NativeTranscriptsController {
  constructor(
    private readonly reader: NativeTranscriptsReader,
    private readonly saveFlow: SaveNativeFlow,
    private readonly convertFlow: ConvertNativeFlow,
    private readonly bodies: NativeBodies,
    private readonly access: SessionAccess,
  ) {}

  /** Begins a save: of a turn under its credential, or of a user who pushes a conversation. */
  @Post()
  @OfSession({ body: 'session_id', role: 'never' })
  @HttpCode(HttpStatus.CREATED)
  @ApiHeader(IF_MATCH)
  @ApiHeader(IF_NONE_MATCH)
  @ApiCreatedResponse({ type: SessionNativeSave, description: 'Begun; nobody sees it yet.' })
  @ApiProblems(
    CredentialScope,
    PreconditionRequired,
    PreconditionMalformed,
    VersionConflict,
    NativePartRefused,
    StaleEpoch,
    TurnNotFound,
    TurnNotLive,
    SessionArchived,
    SessionInUse,
    SessionNotFound,
  )
  openSessionNativeSave(
    @CurrentPrincipal() principal: Principal,
    @Headers('if-match') ifMatch: string | undefined,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Body() open: SessionNativeSaveOpen,
  ): Promise<SessionNativeSave> {
    return this.saveFlow.open(principal, open, parseNativePrecondition(ifMatch, ifNoneMatch));
  }

  /**
   * Adds whole lines to a file, or a piece to one that is replaced: the body is kept as it is. At most 16 MiB. A retry is
   * answered like the first call.
   */
  @Put('saves/:save_id/parts')
  @OfSessionByHandler({ role: 'never' })
  @ApiBody({
    description: 'The bytes.',
    required: true,
    schema: { type: 'string', format: 'binary' },
  })
  @ApiOkResponse({ type: SessionNativeChunk, description: 'Kept, and part of the save.' })
  @ApiProblems(
    CredentialScope,
    NativeSaveNotFound,
    NativePartRefused,
    TranscriptTooLarge,
    TranscriptTooManyParts,
    TooManyBodies,
    StaleEpoch,
    TurnNotFound,
    TurnNotLive,
    BlobStoreUnavailable,
  )
  appendSessionNativePart(
    @Param() _path: SessionNativeSavePath,
    @Query() _part: SessionNativePart,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.bodies.takeOver(request, reply, (...args) => this.bodies.append(...args));
  }

  /** Makes a save a version, wholly or not at all. A retry is answered like the first call. */
  @Post('saves/:save_id/finish')
  @OfSessionByHandler({ role: 'never' })
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({
    type: SessionNativeVersion,
    description: 'The version; the one that there was, when nothing is new.',
  })
  @ApiProblems(
    CredentialScope,
    NativeSaveNotFound,
    NativeSaveIncomplete,
    TranscriptTooLarge,
    VersionConflict,
    StaleEpoch,
    TurnNotFound,
    TurnNotLive,
    SessionInUse,
    SessionNotFound,
  )
  async finishSessionNativeSave(
    @CurrentPrincipal() principal: Principal,
    @Param() { save_id }: SessionNativeSavePath,
    @Body() finish: SessionNativeSaveFinish,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SessionNativeVersion> {
    const version = await this.saveFlow.finish(principal, save_id, finish);
    void reply.header('etag', entityTag(version.version));
    return version;
  }

  /** Conversations of a session, or by another name, with their branches; the one saved last first. */
  @Post('query')
  @OfSessionByHandler({ role: 'never' })
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionNativeConversationPage, description: 'A page of conversations.' })
  @ApiProblems(CredentialScope, CursorMalformed)
  querySessionNativeConversations(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionNativeConversationQuery,
  ): Promise<SessionNativeConversationPage> {
    return this.reader.queryConversations(readerOf(principal, this.access), query);
  }

  /** Versions of a conversation, newest first. */
  @Post('versions/query')
  @OfSessionByHandler({ role: 'never' })
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionNativeVersionPage, description: 'A page of versions.' })
  @ApiProblems(CredentialScope, CursorMalformed, ResumeStateMissing)
  querySessionNativeVersions(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionNativeVersionQuery,
  ): Promise<SessionNativeVersionPage> {
    return this.reader.queryVersions(readerOf(principal, this.access), query);
  }

  /** What a version is made of. `ETag` is the version that the next save of its branch builds on. */
  @Get('manifest')
  @OfSessionByHandler({ role: 'never' })
  @ApiOkResponse({ type: SessionNativeManifest, description: 'The version with its files.' })
  @ApiProblems(CredentialScope, ResumeStateMissing, HarnessMismatch)
  async fetchSessionNativeManifest(
    @CurrentPrincipal() principal: Principal,
    @Query() selector: SessionNativeSelector,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SessionNativeManifest> {
    const manifest = await this.reader.fetchManifest(readerOf(principal, this.access), selector);
    void reply.header('etag', entityTag(manifest.version.version));
    return manifest;
  }

  /** The content of a version. Cut off, not ended, where a part cannot be read when others were sent already. */
  @Get('content')
  @OfSessionByHandler({ role: 'never' })
  @ApiOkResponse({
    description: 'A tar archive, or an envelope.',
    content: {
      'application/x-tar': { schema: { type: 'string', format: 'binary' } },
      'application/json': { schema: { type: 'object', additionalProperties: true } },
    },
  })
  @ApiProblems(
    CredentialScope,
    ResumeStateMissing,
    HarnessMismatch,
    ConversationLoadFailed,
    TooManyDownloads,
    BlobStoreUnavailable,
  )
  readSessionNativeContent(
    @Query() _selector: SessionNativeContentSelector,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.bodies.takeOver(request, reply, (...args) => this.bodies.read(...args));
  }

  /** Saves what an envelope holds, like a push: as a first version, as a next one, or as a branch. At most 32 MiB. */
  @Put('envelope')
  @OfSessionByHandler({ role: 'never' })
  @ApiBody({ description: 'The envelope.', required: true, schema: { type: 'object', additionalProperties: true } })
  @ApiOkResponse({
    type: SessionNativeVersion,
    description: 'The version; the one that there was, when nothing is new.',
  })
  @ApiProblems(
    CredentialScope,
    EnvelopeInvalid,
    JsonMalformed,
    TranscriptTooLarge,
    TooManyBodies,
    VersionConflict,
    SessionInUse,
    SessionNotFound,
    BlobStoreUnavailable,
  )
  setSessionNativeEnvelope(
    @Query() _set: SessionNativeEnvelopeSet,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.bodies.takeOver(request, reply, (...args) => this.bodies.setEnvelope(...args));
  }

  /** Makes a conversation of another harness from the session's records, so that it can go on with them. */
  @Post('convert')
  @OfSession({ body: 'session_id', role: 'never' })
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionNativeConverted, description: 'What became of the records.' })
  @ApiProblems(
    CredentialScope,
    TranscriptBehind,
    TranscriptTooLarge,
    ResumeStateMissing,
    StaleEpoch,
    TurnNotFound,
    TurnNotLive,
    SessionInUse,
    SessionNotFound,
    BlobStoreUnavailable,
  )
  convertSessionNativeConversation(
    @CurrentPrincipal() principal: Principal,
    @Body() convert: SessionNativeConvert,
  ): Promise<SessionNativeConverted> {
    return this.convertFlow.run(principal, convert);
  }
}

import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { IsIn, IsString, IsUUID, MaxLength } from 'class-validator';
import { SHARE_ROLES, SHARE_SCOPES, type ShareRole, type ShareScope } from '@holdfast/platform-auth';
import { LowerCase, MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import {
  SessionAmbientSource,
  SOURCE_UNITS,
  type SessionSourceType,
  type SourceUnit,
} from '../../shares/dto/session-share-source.dto.js';
import { SessionTaskActivityPlace, SessionTaskName } from '../../tasks/dto/session-task-query.dto.js';
import { SessionTask } from '../../tasks/dto/session-task.dto.js';
import { SessionParticipant } from './session-participant.dto.js';

export const SOURCE_TYPE_FORMATS = ['detailed', 'unit'] as const;

export type SourceTypeFormat = (typeof SOURCE_TYPE_FORMATS)[number];

/** Longest name of a participant, in characters. */
export const MAX_NAME = 128;

/** How somebody comes to a session. */
export class SessionJoinCreate {
  @ApiPropertyOptional({
    description: 'The session to look at; absent for the one that the share was made for. A key has to name one.',
  })
  @MayBeAbsent()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({
    format: 'uuid',
    description: "Comes back as this participant. It must be the caller's own; absent with a key makes another one.",
  })
  @MayBeAbsent()
  @IsUUID()
  @LowerCase()
  participant_id?: string;

  @ApiPropertyOptional({ maxLength: MAX_NAME, description: 'What others are to call it.' })
  @MayBeAbsent()
  @IsString()
  @MaxLength(MAX_NAME)
  name?: string;

  @ApiPropertyOptional({
    enum: SOURCE_TYPE_FORMATS,
    enumName: 'SessionSourceTypeFormat',
    default: 'detailed',
    description: '`unit`: `source_type` of the answer is always a bare string, for viewers that know nothing else.',
  })
  @MayBeAbsent()
  @IsIn(SOURCE_TYPE_FORMATS)
  source_type_format: SourceTypeFormat = 'detailed';
}

/** The session that was joined. */
export class SessionJoined {
  @ApiProperty({ description: 'Where its log, turns and transcripts are asked for.' })
  session_id!: string;

  @ApiProperty({ type: String, nullable: true, description: 'What people call it.' })
  name!: string | null;

  @ApiProperty({ format: 'date-time', description: 'When the session was made.' })
  created_at!: string;
}

/** The grant that the participant came with. */
export class SessionJoinShare {
  @ApiProperty({ format: 'uuid', description: 'Names the share.' })
  share_id!: string;

  @ApiProperty({
    enum: SHARE_SCOPES,
    enumName: 'SessionShareScope',
    description: '`session`: one session; `tree`: also those of all tasks below it, now and later.',
  })
  scope!: ShareScope;

  @ApiProperty({ enum: SHARE_ROLES, enumName: 'SessionShareRole', description: 'What it gives to everybody.' })
  role!: ShareRole;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When it ends by itself.' })
  expires_at!: string | null;
}

export const ENDED_REASONS = [
  'completed',
  'failed',
  'cancelled',
  'killed',
  'superseded',
  'paused',
  'lost',
  'archived',
] as const;

export type EndedReason = (typeof ENDED_REASONS)[number];

/** How a session is doing. */
export class SessionJoinStatus {
  @ApiProperty({
    enum: ['idle', 'queued', 'starting', 'running', 'stopping'],
    enumName: 'SessionStreamStatus',
    description: 'Of the live turn, or idle.',
  })
  status!: string;

  @ApiProperty({ description: 'Whether a runner owns the live turn and its lease has not run out.' })
  alive!: boolean;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The live turn, else the last one.' })
  turn_id!: string | null;

  @ApiProperty({
    enum: ENDED_REASONS,
    enumName: 'SessionEndedReason',
    nullable: true,
    description:
      'How the last turn ended; null while one is live and before the first. Not final: the next prompt goes on in ' +
      'the same log.',
  })
  ended_reason!: EndedReason | null;
}

/** All that somebody who comes late needs, in one answer. */
@ApiExtraModels(SessionAmbientSource)
export class SessionJoin {
  @ApiProperty({
    type: SessionJoined,
    nullable: true,
    description:
      'Null where the share is of a task that has no session yet: join again once its activity tells of one.',
  })
  session!: SessionJoined | null;

  @ApiProperty({ format: 'uuid', description: 'Who the caller is here from now on.' })
  participant_id!: string;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The credential to go on with, shown this once; null unless a link was used.',
  })
  participant_token!: string | null;

  @ApiProperty({ enum: SHARE_ROLES, enumName: 'SessionShareRole', description: 'What the caller may do.' })
  role!: ShareRole;

  @ApiProperty({ type: SessionJoinShare, nullable: true, description: 'Null for a key of the project.' })
  share!: SessionJoinShare | null;

  @ApiProperty({
    oneOf: [{ type: 'string', enum: [...SOURCE_UNITS] }, { $ref: getSchemaPath(SessionAmbientSource) }],
    description: '`user`, or the agent that shared itself; for `unit`, the bare word of either.',
  })
  source_type!: SessionSourceType | SourceUnit;

  @ApiProperty({
    oneOf: [{ type: 'string', enum: ['user'] }, { $ref: getSchemaPath(SessionAmbientSource) }, { type: 'null' }],
    description: 'The full form where `unit` was asked for, else null.',
  })
  detailed_source_type!: SessionSourceType | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Task of the session where one is known. It may become known later: `session.source_changed` tells.',
  })
  source_task_id!: string | null;

  @ApiProperty({ type: SessionTask, nullable: true, description: 'The task that the session works on.' })
  task!: SessionTask | null;

  @ApiProperty({
    type: [SessionParticipant],
    description: 'Who looks at the session, in the order of joining; at most 200.',
  })
  participants!: SessionParticipant[];

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Cursor of the other participants for `query_session_participants`; null when these are all.',
  })
  participants_next_cursor!: string | null;

  @ApiProperty({
    type: [SessionTaskName],
    description:
      "Names to show in the transcript: the session's own task, its parent, and the first 200 each of its siblings " +
      'and its children. Nothing opens by them.',
  })
  names!: SessionTaskName[];

  @ApiProperty({ type: String, nullable: true, description: 'The earliest event of the log that can still be read.' })
  offset!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'End of the log before anything else of this answer was read: follow from here and miss nothing.',
  })
  tail_offset!: string | null;

  @ApiProperty({
    type: SessionTaskActivityPlace,
    nullable: true,
    description:
      'Where the tree below is told of and from where to follow, for whoever may see that; null without a tree.',
  })
  activity!: SessionTaskActivityPlace | null;

  @ApiProperty({ type: SessionJoinStatus, nullable: true, description: 'Null while there is no session.' })
  status!: SessionJoinStatus | null;
}

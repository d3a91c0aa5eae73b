import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsString, IsUUID, MaxLength } from 'class-validator';
import { SHARE_ROLES, type ShareRole } from '@holdfast/platform-auth';
import { MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';

export const PARTICIPANT_KINDS = ['key', 'share'] as const;

export type ParticipantKind = (typeof PARTICIPANT_KINDS)[number];

/** What somebody points at. At most 1 KiB as JSON. */
export class SessionSelection {
  @ApiPropertyOptional({ description: 'The session that it is in: the one that the participant looks at.' })
  @MayBeAbsent()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'A task of the tree.' })
  @MayBeAbsent()
  @IsUUID()
  task_id?: string;

  @ApiPropertyOptional({ maxLength: 128, description: 'A record or event, as the viewer names it.' })
  @MayBeAbsent()
  @IsString()
  @MaxLength(128)
  record_id?: string;

  @ApiPropertyOptional({ maxLength: 1024, description: 'The words that are marked.' })
  @MayBeAbsent()
  @IsString()
  @MaxLength(1024)
  text?: string;
}

/** Somebody who joined a session. */
export class SessionParticipant {
  @ApiProperty({
    format: 'uuid',
    description: 'Names the participant; what it sends to the session is attributed to it.',
  })
  participant_id!: string;

  @ApiProperty({ type: String, nullable: true, description: 'What it wants to be called.' })
  name!: string | null;

  @ApiProperty({
    enum: SHARE_ROLES,
    enumName: 'SessionShareRole',
    description: '`reader` looks, `executor` also drives, `full` also edits, shares and answers requests for roles.',
  })
  role!: ShareRole;

  @ApiProperty({
    enum: PARTICIPANT_KINDS,
    enumName: 'SessionParticipantKind',
    description: 'Came with a key of the project, or through a share.',
  })
  kind!: ParticipantKind;

  @ApiProperty({ type: 'integer', description: 'Grows with every new participant of the session; never used twice.' })
  join_order!: number;

  @ApiProperty({ format: 'date-time', description: 'When it first joined any session.' })
  joined_at!: string;

  @ApiProperty({ format: 'date-time', description: 'When it was last heard of.' })
  last_seen_at!: string;

  @ApiProperty({ description: 'Whether it looks at this session and was heard of within the last 45 seconds.' })
  is_present!: boolean;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The session, while the participant looks at it; null once it left or moved on.',
  })
  session_id!: string | null;

  @ApiProperty({ type: SessionSelection, nullable: true, description: 'What it points at in this session.' })
  selection!: SessionSelection | null;
}

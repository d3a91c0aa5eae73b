import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsUUID } from 'class-validator';
import { SHARE_ROLES, SHARE_SCOPES, type ShareRole, type ShareScope } from '@holdfast/platform-auth';
import { LowerCase, MayBeAbsent, PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { SHARE_ORIGINS, SessionShare, type ShareOrigin } from './session-share.dto.js';

/** Which shares are asked for. */
export class SessionShareQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'Only those whose host is this session.' })
  @MayBeAbsent()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only those whose host is this task, or the session of it.' })
  @MayBeAbsent()
  @IsUUID()
  @LowerCase()
  task_id?: string;

  @ApiPropertyOptional({ default: false, description: 'Whether those that have ended are answered too.' })
  @MayBeAbsent()
  @IsBoolean()
  include_ended: boolean = false;
}

/** Shares, newest first. */
export class SessionSharePage {
  @ApiProperty({ type: [SessionShare], description: 'The shares of this page.' })
  data!: SessionShare[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}

/** Whose openings are asked for. */
export class SessionOpeningQuery extends PageQuery {
  @ApiProperty({ description: 'The session that may be open.' })
  @IsSessionId()
  session_id!: string;
}

export const OPENING_WAYS = ['direct', 'tree'] as const;

/** A live share through which a session is open. */
export class SessionOpening {
  @ApiProperty({ format: 'uuid', description: 'Names the share.' })
  share_id!: string;

  @ApiProperty({
    enum: OPENING_WAYS,
    enumName: 'SessionOpeningWay',
    description: '`direct`: it was made for this session; `tree`: for one above it.',
  })
  via!: (typeof OPENING_WAYS)[number];

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The host of the share; null while its task has none, or where it is out of the reach of the caller.',
  })
  host_session_id!: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Task of the host; null where it has none, or where it is out of the reach of the caller.',
  })
  host_task_id!: string | null;

  @ApiProperty({ enum: SHARE_ROLES, enumName: 'SessionShareRole', description: 'What it lets people do here.' })
  role!: ShareRole;

  @ApiProperty({ enum: SHARE_SCOPES, enumName: 'SessionShareScope', description: 'What it was made for.' })
  scope!: ShareScope;

  @ApiProperty({ enum: SHARE_ORIGINS, enumName: 'SessionShareOrigin', description: 'Who made it.' })
  origin!: ShareOrigin;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When it ends by itself.' })
  expires_at!: string | null;
}

/** Live shares through which a session is open, newest first. */
export class SessionOpeningPage {
  @ApiProperty({ type: [SessionOpening], description: 'The openings of this page.' })
  data!: SessionOpening[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}

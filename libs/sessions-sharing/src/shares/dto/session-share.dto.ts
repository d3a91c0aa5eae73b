import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { SHARE_END_REASONS, SHARE_ROLES, SHARE_SCOPES } from '@holdfast/platform-auth';
import type { ShareEndReason, ShareRole, ShareScope } from '@holdfast/platform-auth';
import { SessionAmbientSource, type SessionSourceType } from './session-share-source.dto.js';

export const SHARE_ORIGINS = ['explicit', 'automatic'] as const;
export type ShareOrigin = (typeof SHARE_ORIGINS)[number];

/** A grant that lets somebody without a key of the project look at a session, or drive it. */
@ApiExtraModels(SessionAmbientSource)
export class SessionShare {
  @ApiProperty({ format: 'uuid', description: 'Names the share.' })
  share_id!: string;

  @ApiProperty({ type: String, nullable: true, description: 'The host; null while the task that was shared has none.' })
  session_id!: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Task of the host; null where it has none.',
  })
  task_id!: string | null;

  @ApiProperty({
    enum: SHARE_SCOPES,
    enumName: 'SessionShareScope',
    description: '`session`: the host only; `tree`: the host and all that descend from its task, now and later.',
  })
  scope!: ShareScope;

  @ApiProperty({ enum: SHARE_ROLES, enumName: 'SessionShareRole', description: 'What it lets people do.' })
  role!: ShareRole;

  @ApiProperty({ type: String, nullable: true, description: 'What whoever made it calls it.' })
  name!: string | null;

  @ApiProperty({
    enum: SHARE_ORIGINS,
    enumName: 'SessionShareOrigin',
    description: '`automatic`: of a remote task, from its start.',
  })
  origin!: ShareOrigin;

  @ApiProperty({
    oneOf: [{ type: 'string', enum: ['user'] }, { $ref: getSchemaPath(SessionAmbientSource) }],
    description: '`user`, or the agent that shared itself.',
  })
  source_type!: SessionSourceType;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Task that the session works on, where one is known.',
  })
  source_task_id!: string | null;

  @ApiProperty({ description: 'Whether an agent shared itself: a user share of a session with a task did not.' })
  is_ambient!: boolean;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The share that it was made through, and ends with; null where a key made it.',
  })
  parent_share_id!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Begins its token; null while it has none.' })
  token_prefix!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When it ends by itself.' })
  expires_at!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When it ended; null while it lives.',
  })
  ended_at!: string | null;

  @ApiProperty({
    enum: SHARE_END_REASONS,
    enumName: 'SessionShareEndReason',
    nullable: true,
    description: 'Why it ended: it was stopped, taken away, its time was over, or what befell its host.',
  })
  end_reason!: ShareEndReason | null;

  @ApiProperty({ format: 'date-time', description: 'When it was made.' })
  created_at!: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Key or participant that made it; null where the server did.',
  })
  created_by_id!: string | null;

  @ApiProperty({ format: 'date-time', description: 'When its role, end, name or token last changed.' })
  updated_at!: string;
}

/** A share with the token that opens it. */
export class SessionShareCreated {
  @ApiProperty({ type: SessionShare, description: 'What the token opens, and for how long.' })
  share!: SessionShare;

  @ApiProperty({ description: 'Opens it. Shown this once; it cannot be read again.' })
  token!: string;

  @ApiProperty({ description: 'What to give away: the token is behind the #, where no server sees it.' })
  link!: string;
}

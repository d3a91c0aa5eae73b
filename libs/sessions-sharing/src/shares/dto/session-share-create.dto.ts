import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsISO8601,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { SHARE_ROLES, SHARE_SCOPES, type ShareRole, type ShareScope } from '@holdfast/platform-auth';
import { LowerCase, MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { SessionShareSourceCreate } from './session-share-source.dto.js';

/** Ten years. */
const MAX_SECONDS = 315_360_000;
const MAX_NAME = 200;

/** Names a share in a path. */
export class SessionSharePath {
  @ApiProperty({ format: 'uuid', description: 'The share that is meant.' })
  @IsUUID()
  @LowerCase()
  share_id!: string;
}

/** What is shared, with whom and for how long. Name a session or a task, not both. */
export class SessionShareCreate {
  @ApiPropertyOptional({ description: 'The session to share.' })
  @MayBeAbsent()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'The task to share: its session, as soon as it has one.' })
  @MayBeAbsent()
  @IsUUID()
  @LowerCase()
  task_id?: string;

  @ApiPropertyOptional({
    enum: SHARE_SCOPES,
    enumName: 'SessionShareScope',
    default: 'session',
    description: '`session`: this one only; `tree`: also all that descend from its task, now and later.',
  })
  @MayBeAbsent()
  @IsIn(SHARE_SCOPES)
  scope: ShareScope = 'session';

  @ApiPropertyOptional({
    enum: SHARE_ROLES,
    enumName: 'SessionShareRole',
    default: 'reader',
    description: '`reader` looks, `executor` also sends prompts and answers questions, `full` also kills and shares.',
  })
  @MayBeAbsent()
  @IsIn(SHARE_ROLES)
  role: ShareRole = 'reader';

  @ApiPropertyOptional({ format: 'date-time', description: 'When it ends by itself. Not with expires_in_seconds.' })
  @MayBeAbsent()
  @IsISO8601({ strict: true, strictSeparator: true })
  expires_at?: string;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_SECONDS,
    description: "After how long it ends by itself, by the database's clock. Not with expires_at.",
  })
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(MAX_SECONDS)
  expires_in_seconds?: number;

  @ApiPropertyOptional({ maxLength: MAX_NAME, description: 'What its maker calls it; not blank.' })
  @MayBeAbsent()
  @IsString()
  @MaxLength(MAX_NAME)
  @Matches(/\S/, { message: '$property must not be blank' })
  name?: string;

  @ApiPropertyOptional({ type: SessionShareSourceCreate, description: 'Where it comes from; a user when absent.' })
  @MayBeAbsent()
  @IsObject()
  @ValidateNested()
  @Type(() => SessionShareSourceCreate)
  source?: SessionShareSourceCreate;
}

/** What changes of a share; what is left out stays. */
export class SessionShareEdit {
  @ApiPropertyOptional({
    enum: SHARE_ROLES,
    enumName: 'SessionShareRole',
    description: 'What it lets people do from now on.',
  })
  @MayBeAbsent()
  @IsIn(SHARE_ROLES)
  role?: ShareRole;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When it ends by itself; null: not by time.',
  })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  expires_at?: string | null;

  @ApiPropertyOptional({
    type: String,
    maxLength: MAX_NAME,
    nullable: true,
    description: 'What its maker calls it; null takes the name away.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_NAME)
  @Matches(/\S/, { message: '$property must not be blank' })
  name?: string | null;
}

/** Which share ends. */
export class SessionShareRevoke {
  @ApiProperty({ format: 'uuid', description: 'The share that is meant.' })
  @IsUUID()
  @LowerCase()
  share_id!: string;

  @ApiPropertyOptional({
    enum: ['revoked', 'stopped'],
    enumName: 'SessionShareRevokeReason',
    default: 'revoked',
    description: '`stopped`: whoever shared has finished.',
  })
  @MayBeAbsent()
  @IsIn(['revoked', 'stopped'])
  reason: 'revoked' | 'stopped' = 'revoked';
}

/** Which share gets another token. */
export class SessionShareRotate {
  @ApiProperty({ format: 'uuid', description: 'The share that is meant.' })
  @IsUUID()
  @LowerCase()
  share_id!: string;
}

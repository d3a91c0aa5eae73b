import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsUUID } from 'class-validator';
import { SHARE_ROLES, type ShareRole } from '@holdfast/platform-auth';
import { LowerCase, MayBeAbsent, PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';

/** Roles that can be asked for: everybody who joined has the least one. */
export const ROLES_TO_ASK = ['executor', 'full'] as const satisfies readonly ShareRole[];

export const ROLE_REQUEST_STATUSES = ['pending', 'approved', 'denied', 'withdrawn'] as const;

export type RoleRequestStatus = (typeof ROLE_REQUEST_STATUSES)[number];

export const ROLE_VERDICTS = ['approve', 'deny'] as const;

export type RoleVerdict = (typeof ROLE_VERDICTS)[number];

/** A participant's wish to do more. */
export class SessionRoleRequest {
  @ApiProperty({ format: 'uuid', description: 'Names the request.' })
  request_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Who asked.' })
  participant_id!: string;

  @ApiProperty({ description: 'The session that the participant looked at.' })
  session_id!: string;

  @ApiProperty({ enum: ROLES_TO_ASK, enumName: 'SessionRoleToAsk', description: 'What was asked for.' })
  role!: ShareRole;

  @ApiProperty({
    enum: ROLE_REQUEST_STATUSES,
    enumName: 'SessionRoleRequestStatus',
    description: '`withdrawn`: by the participant, or because it left.',
  })
  status!: RoleRequestStatus;

  @ApiProperty({ format: 'date-time', description: 'When it was asked.' })
  created_at!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When it was settled.' })
  answered_at!: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Key or participant that approved or denied it.',
  })
  answered_by_id!: string | null;

  @ApiProperty({
    enum: SHARE_ROLES,
    enumName: 'SessionShareRole',
    nullable: true,
    description: 'What was given; null unless approved.',
  })
  granted_role!: ShareRole | null;
}

/** Asks for a role. */
export class SessionRoleRequestCreate {
  @ApiProperty({ format: 'uuid', description: 'The caller itself.' })
  @IsUUID()
  @LowerCase()
  participant_id!: string;

  @ApiProperty({ enum: ROLES_TO_ASK, enumName: 'SessionRoleToAsk', description: 'More than what the caller has.' })
  @IsIn(ROLES_TO_ASK)
  role!: (typeof ROLES_TO_ASK)[number];
}

/** Which requests are asked for. */
export class SessionRoleRequestQuery extends PageQuery {
  @ApiProperty({ description: 'The session that the participants looked at.' })
  @IsSessionId()
  session_id!: string;

  @ApiPropertyOptional({
    enum: ROLE_REQUEST_STATUSES,
    enumName: 'SessionRoleRequestStatus',
    description: 'Only those in this status; `pending` are the ones that wait for an answer.',
  })
  @MayBeAbsent()
  @IsIn(ROLE_REQUEST_STATUSES)
  status?: RoleRequestStatus;
}

/** Requests for roles, newest first. */
export class SessionRoleRequestPage {
  @ApiProperty({ type: [SessionRoleRequest], description: 'The requests of this page.' })
  data!: SessionRoleRequest[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}

/** Settles a request. */
export class SessionRoleRequestAnswer {
  @ApiProperty({ format: 'uuid', description: 'The request that is meant.' })
  @IsUUID()
  @LowerCase()
  request_id!: string;

  @ApiProperty({ enum: ROLE_VERDICTS, enumName: 'SessionRoleVerdict', description: 'Gives the role, or not.' })
  @IsIn(ROLE_VERDICTS)
  verdict!: RoleVerdict;

  @ApiPropertyOptional({
    enum: ROLES_TO_ASK,
    enumName: 'SessionRoleToAsk',
    description: 'Gives this instead of what was asked for; never more than the caller has itself.',
  })
  @MayBeAbsent()
  @IsIn(ROLES_TO_ASK)
  role?: (typeof ROLES_TO_ASK)[number];
}

/** Takes a request back. */
export class SessionRoleRequestWithdraw {
  @ApiProperty({ format: 'uuid', description: 'A request of the caller itself.' })
  @IsUUID()
  @LowerCase()
  request_id!: string;
}

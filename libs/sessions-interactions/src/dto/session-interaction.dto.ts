import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { INTERACTION_STATUSES, type InteractionStatus } from '../session-interaction.rules.js';
import { DECISIONS, type Decision } from '../verdict.rules.js';
import { SessionInteractionRequest } from './session-interaction-request.dto.js';

/** `user_approval`: may the agent make this tool call? */
export const INTERACTION_KINDS = ['user_approval'] as const;

export type InteractionKind = (typeof INTERACTION_KINDS)[number];

/** Names an interaction in a path. */
export class SessionInteractionPath {
  @ApiProperty({ format: 'uuid', description: 'The interaction.' })
  @IsUUID()
  interaction_id!: string;
}

/** The answer to a question. */
export class SessionInteractionVerdict {
  @ApiProperty({ enum: DECISIONS, enumName: 'SessionInteractionDecision', description: 'What was decided.' })
  decision!: Decision;

  @ApiProperty({ type: String, nullable: true, description: 'What the agent is told with it.' })
  message!: string | null;
}

/** A question that an agent asks and somebody else answers. */
export class SessionInteraction {
  @ApiProperty({ format: 'uuid', description: 'Names the question when it is answered.' })
  interaction_id!: string;

  @ApiProperty({ description: 'Session of the turn that asks.' })
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn that asks.' })
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Epoch of the attempt that asks; it alone can take the answer.' })
  epoch!: number;

  @ApiProperty({ description: "The runner's own id of the question." })
  token!: string;

  @ApiProperty({
    enum: INTERACTION_KINDS,
    enumName: 'SessionInteractionKind',
    description: 'What kind of answer it needs.',
  })
  kind!: InteractionKind;

  @ApiProperty({
    enum: INTERACTION_STATUSES,
    enumName: 'SessionInteractionStatus',
    description: '`responded` becomes `resolved` when the agent has taken the answer.',
  })
  status!: InteractionStatus;

  @ApiProperty({ description: 'What is asked.' })
  request!: SessionInteractionRequest;

  @ApiProperty({ type: SessionInteractionVerdict, nullable: true, description: 'The answer, once there is one.' })
  verdict!: SessionInteractionVerdict | null;

  @ApiProperty({ format: 'date-time', description: 'When it was asked.' })
  created_at!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When it was answered.' })
  responded_at!: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Principal that answered.' })
  responded_by_id!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the answer was left for the runner.',
  })
  delivered_at!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When the agent took the answer.' })
  resolved_at!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When it closed without an answer.' })
  cancelled_at!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Why it closed, for example `turn_completed`.' })
  cancel_reason!: string | null;
}

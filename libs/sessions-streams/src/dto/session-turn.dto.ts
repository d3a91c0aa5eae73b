import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import {
  DELIVERIES,
  TURN_APPROVALS,
  TURN_DRIVES,
  TURN_STATUSES,
  type Delivery,
  type TurnApprovals,
  type TurnDrive,
  type TurnStatus,
} from '../control/session-turn.rules.js';

export class SessionTurnAgent {
  @ApiProperty({ description: 'Name of the agent that the turn runs.' })
  name!: string;

  @ApiProperty({ type: 'integer', description: 'Revision of the agent, pinned when the turn was made.' })
  revision!: number;
}

export class SessionTurnError {
  @ApiProperty({ description: 'Stable code, for example `agent_exited` or `owner_lost`.' })
  code!: string;

  @ApiProperty({ description: 'What happened, and what to do next.' })
  message!: string;
}

/** Names a turn in a path. */
export class SessionTurnPath {
  @ApiProperty({ format: 'uuid', description: 'Turn to fetch.' })
  @IsUUID()
  turn_id!: string;
}

/** One execution inside a session. */
export class SessionTurn {
  @ApiProperty({ format: 'uuid', description: 'The one and only id of this run.' })
  turn_id!: string;

  @ApiProperty({ description: 'Session that the turn belongs to.' })
  session_id!: string;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'Place among the turns that went in line, from 0; null while, and if, it never left the inbox.',
  })
  turn_index!: number | null;

  @ApiProperty({ enum: TURN_STATUSES, enumName: 'SessionTurnStatus', description: 'Where the turn is in its life.' })
  status!: TurnStatus;

  @ApiProperty({ description: 'What the turn runs.' })
  agent!: SessionTurnAgent;

  @ApiProperty({ description: 'Harness of the agent.' })
  harness!: string;

  @ApiProperty({
    enum: TURN_DRIVES,
    enumName: 'SessionTurnDrive',
    description: "How its runner speaks with the harness: over ACP, or by the harness's own command line.",
  })
  drive!: TurnDrive;

  @ApiProperty({
    enum: TURN_APPROVALS,
    enumName: 'SessionTurnApprovals',
    description: "What becomes of the agent's questions: put to people, denied, or not asked at all.",
  })
  approvals!: TurnApprovals;

  @ApiProperty({ description: 'The input of the turn.' })
  prompt!: string;

  @ApiProperty({ description: 'Whether it was sent by somebody who did not stay to watch it.' })
  detached!: boolean;

  @ApiProperty({ description: 'Whether it was to begin a new conversation.' })
  fresh_start!: boolean;

  @ApiProperty({
    enum: DELIVERIES,
    enumName: 'SessionTurnDelivery',
    nullable: true,
    description: 'How it came into the inbox; null when it went in line at once.',
  })
  delivery!: Delivery | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The live turn that its prompt was offered to.',
  })
  in_turn_of!: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The paused turn that it goes on with.' })
  resumes_turn_id!: string | null;

  @ApiProperty({ type: 'integer', description: 'How often the turn was claimed.' })
  attempt!: number;

  @ApiProperty({ type: 'integer', description: 'How often its owner was lost.' })
  lost_attempts!: number;

  @ApiProperty({ type: 'integer', description: 'How many lost owners end the turn as lost.' })
  max_attempts!: number;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Fence of the present or last attempt.' })
  epoch!: number | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Runner of the present or last attempt.' })
  replica_id!: string | null;

  @ApiProperty({ type: String, nullable: true, description: "The agent's own id of the conversation." })
  agent_session_id!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Why the agent stopped, in ACP words.' })
  stop_reason!: string | null;

  @ApiProperty({
    type: Object,
    nullable: true,
    additionalProperties: true,
    description: 'What the turn used, as the agent reported it.',
  })
  usage!: object | null;

  @ApiProperty({ type: SessionTurnError, nullable: true, description: 'Why the turn did not complete.' })
  error!: SessionTurnError | null;

  @ApiProperty({ format: 'date-time', description: 'When the turn was made.' })
  created_at!: string;

  @ApiProperty({ format: 'uuid', description: 'Principal that started the turn.' })
  created_by_id!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When the agent began to run.' })
  started_at!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When the turn ended.' })
  ended_at!: string | null;
}

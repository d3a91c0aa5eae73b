import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsUUID, Max, Min } from 'class-validator';
import { LowerCase, MayBeAbsent } from '@holdfast/platform-http';
import { TURN_APPROVALS, TURN_DRIVES, type TurnApprovals, type TurnDrive } from '../control/session-turn.rules.js';
import { SessionTurnAgent } from './session-turn.dto.js';

export class SessionTurnClaim {
  @ApiProperty({ format: 'uuid', description: 'The registered replica.' })
  @LowerCase()
  @IsUUID()
  replica_id!: string;

  @ApiPropertyOptional({
    format: 'uuid',
    description:
      'Names the claim, so that it may be repeated when its answer got lost: then the turns that the replica still owns by it are granted again.',
  })
  @MayBeAbsent()
  @LowerCase()
  @IsUUID()
  claim_id?: string;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: 1000, description: 'Most turns to claim.' })
  @IsInt()
  @Min(1)
  @Max(1000)
  capacity!: number;

  @ApiProperty({ type: 'integer', minimum: 0, maximum: 30, description: 'How long to wait for a turn, in seconds.' })
  @IsInt()
  @Min(0)
  @Max(30)
  wait_seconds!: number;
}

/** What the agents of a session said so far, as the harness of one of them keeps it. */
export class SessionTurnConversation {
  @ApiProperty({ description: 'Harness that keeps it.' })
  harness!: string;

  @ApiProperty({ description: "The harness's own id of it." })
  native_id!: string;

  @ApiProperty({ type: String, nullable: true, description: 'Agent that had it; null where nobody knows.' })
  agent_name!: string | null;
}

/** A turn that the runner owns from now on, and all it needs to run it. */
export class SessionTurnGrant {
  @ApiProperty({ description: 'Session that the turn belongs to.' })
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn that the runner was granted.' })
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Which claim of the turn this is, from 1.' })
  attempt!: number;

  @ApiProperty({ type: 'integer', description: 'Fence: every write for the turn carries it.' })
  epoch!: number;

  @ApiProperty({ description: 'What the agent is asked.' })
  prompt!: string;

  @ApiProperty({ description: 'The pinned agent.' })
  agent!: SessionTurnAgent;

  @ApiProperty({ description: 'Which program to run.' })
  harness!: string;

  @ApiProperty({
    enum: TURN_DRIVES,
    enumName: 'SessionTurnDrive',
    description: "How to speak with it: over ACP, or by the harness's own command line.",
  })
  drive!: TurnDrive;

  @ApiProperty({
    enum: TURN_APPROVALS,
    enumName: 'SessionTurnApprovals',
    description: "What becomes of the agent's questions: put to people, denied, or not asked at all.",
  })
  approvals!: TurnApprovals;

  @ApiProperty({ type: String, nullable: true, description: 'Model to ask for; null leaves it to the harness.' })
  model!: string | null;

  @ApiProperty({ type: Object, additionalProperties: { type: 'string' }, description: 'Variables for the agent.' })
  environment!: Record<string, string>;

  @ApiProperty({ type: [String], nullable: true, description: 'Command line that replaces the one of the harness.' })
  command!: string[] | null;

  @ApiProperty({ description: 'URL path of the log to append to.' })
  log_path!: string;

  @ApiProperty({
    type: SessionTurnConversation,
    nullable: true,
    description: 'The conversation to go on with, also where it is of another harness; null to begin one.',
  })
  resume_conversation!: SessionTurnConversation | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Id of that conversation, where it is of the very program that the turn runs.',
  })
  resume_agent_session_id!: string | null;

  @ApiProperty({
    description:
      'What every write for the turn is authenticated with. Good for this attempt only, and renewed by beats.',
  })
  credential!: string;
}

export class SessionTurnGrants {
  @ApiProperty({ type: [SessionTurnGrant], description: 'The claimed turns; empty when none came in time.' })
  turns!: SessionTurnGrant[];
}

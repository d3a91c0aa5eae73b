import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsInt,
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
import { AsSent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { SessionTurnAgent, SessionTurnError } from './session-turn.dto.js';

export class SessionRunnerRegister {
  @ApiProperty({ format: 'uuid', description: 'Id of this incarnation of the runner process.' })
  @IsUUID()
  replica_id!: string;

  @ApiProperty({ type: [String], description: 'Pools whose turns it takes.' })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(20)
  @Matches(/^[a-z0-9][a-z0-9_-]{0,63}$/, { each: true })
  pools!: string[];
}

export class SessionRunner {
  @ApiProperty({ description: 'URL path of the log that its commands arrive on.' })
  control_path!: string;

  @ApiProperty({ description: 'How long a beat keeps its turns, in seconds.' })
  lease_seconds!: number;

  @ApiProperty({ description: 'How often to beat, in seconds.' })
  beat_seconds!: number;

  @ApiProperty({ description: 'When to end agents after the last beat that succeeded was sent, in seconds.' })
  watchdog_seconds!: number;
}

export class SessionTurnClaim {
  @ApiProperty({ format: 'uuid', description: 'The registered replica.' })
  @IsUUID()
  replica_id!: string;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: 100, description: 'Most turns to claim.' })
  @IsInt()
  @Min(1)
  @Max(100)
  capacity!: number;

  @ApiProperty({ type: 'integer', minimum: 0, maximum: 30, description: 'How long to wait for a turn, in seconds.' })
  @IsInt()
  @Min(0)
  @Max(30)
  wait_seconds!: number;
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

  @ApiProperty({ type: String, nullable: true, description: 'Model to ask for; null leaves it to the harness.' })
  model!: string | null;

  @ApiProperty({ type: Object, additionalProperties: { type: 'string' }, description: 'Variables for the agent.' })
  environment!: Record<string, string>;

  @ApiProperty({ type: [String], nullable: true, description: 'Command line that replaces the one of the harness.' })
  command!: string[] | null;

  @ApiProperty({ description: 'URL path of the log to append to.' })
  log_path!: string;

  @ApiProperty({ type: String, nullable: true, description: "The agent's own id of the conversation to go on with." })
  resume_agent_session_id!: string | null;
}

export class SessionTurnGrants {
  @ApiProperty({ type: [SessionTurnGrant], description: 'The claimed turns; empty when none came in time.' })
  turns!: SessionTurnGrant[];
}

export class SessionTurnBeat {
  @ApiProperty({ description: 'Session that the turn belongs to.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn that the runner was granted.' })
  @IsUUID()
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Epoch of the grant.' })
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  epoch!: number;

  @ApiProperty({
    enum: ['starting', 'running'],
    enumName: 'SessionTurnPhase',
    description: '`running` before the prompt is sent.',
  })
  @IsIn(['starting', 'running'])
  status!: 'starting' | 'running';

  @ApiPropertyOptional({ maxLength: 256, description: "The agent's own id of the conversation, once known." })
  @IsOptional()
  @IsString()
  @MaxLength(256)
  agent_session_id?: string;
}

export class SessionTurnBeats {
  @ApiProperty({ format: 'uuid', description: 'The registered replica.' })
  @IsUUID()
  replica_id!: string;

  @ApiProperty({ type: [SessionTurnBeat], description: 'Every turn that it hosts.' })
  @IsArray()
  @ArrayMaxSize(1000)
  @ValidateNested({ each: true })
  @Type(() => SessionTurnBeat)
  turns!: SessionTurnBeat[];
}

export class SessionTurnBeatAnswer {
  @ApiProperty({ format: 'uuid', description: 'Turn that the runner was granted.' })
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Epoch of the beat.' })
  epoch!: number;

  @ApiProperty({ description: 'False: end its agent at once and write nothing more for it.' })
  is_current!: boolean;
}

export class SessionTurnBeatAnswers {
  @ApiProperty({ type: [SessionTurnBeatAnswer], description: 'One for each beat.' })
  turns!: SessionTurnBeatAnswer[];
}

export class SessionTurnFailure extends SessionTurnError {
  @ApiProperty({ maxLength: 64, description: 'Stable code.' })
  @IsString()
  @Matches(/^[a-z][a-z0-9_]{0,63}$/)
  declare code: string;

  @ApiProperty({ maxLength: 4000, description: 'What happened, and what to do next.' })
  @IsString()
  @MaxLength(4000)
  declare message: string;
}

export class SessionTurnComplete {
  @ApiProperty({ description: 'Session that the turn belongs to.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn that the runner was granted.' })
  @IsUUID()
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Epoch of the grant.' })
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  epoch!: number;

  @ApiProperty({
    enum: ['completed', 'failed', 'cancelled'],
    enumName: 'SessionTurnOutcome',
    description: 'How it ended.',
  })
  @IsIn(['completed', 'failed', 'cancelled'])
  status!: 'completed' | 'failed' | 'cancelled';

  @ApiPropertyOptional({ maxLength: 64, description: 'Why the agent stopped, in ACP words.' })
  @IsOptional()
  @IsString()
  @MaxLength(64)
  stop_reason?: string;

  @ApiPropertyOptional({ type: Object, additionalProperties: true, description: 'What the turn used.' })
  @IsOptional()
  @AsSent()
  @IsObject()
  usage?: object;

  @ApiPropertyOptional({ type: SessionTurnFailure, description: 'Why it failed.' })
  @IsOptional()
  @ValidateNested()
  @Type(() => SessionTurnFailure)
  error?: SessionTurnFailure;
}

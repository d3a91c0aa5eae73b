import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsOptional, IsUUID, Matches } from 'class-validator';
import { AsSent, LowerCase } from '@holdfast/platform-http';

/** What a runner says of one turn. Each is judged by itself (`parseTurnBeat`), so nothing here is a decorator's to refuse. */
export class SessionTurnBeat {
  @ApiProperty({ description: 'Session that the turn belongs to.' })
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn that the runner was granted.' })
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Epoch of the grant.' })
  epoch!: number;

  @ApiProperty({
    enum: ['starting', 'running'],
    enumName: 'SessionTurnPhase',
    description: '`running` before the prompt is sent.',
  })
  status!: 'starting' | 'running';

  @ApiPropertyOptional({ maxLength: 256, description: "The agent's own id of the conversation, once known." })
  agent_session_id?: string;

  @ApiPropertyOptional({ description: 'Whether the sandbox of the session is up.' })
  sandbox_live?: boolean;
}

export class SessionTurnBeats {
  @ApiProperty({ format: 'uuid', description: 'The registered replica.' })
  @LowerCase()
  @IsUUID()
  replica_id!: string;

  @ApiProperty({ type: [SessionTurnBeat], maxItems: 1000, description: 'Every turn that it hosts.' })
  @AsSent()
  @IsArray()
  @ArrayMaxSize(1000)
  turns!: unknown[];

  @ApiPropertyOptional({ description: 'Where the control log goes on after the last command that it has processed.' })
  @IsOptional()
  @Matches(/^(-1|\d{16}_\d{16})$/, { message: '$property must be an offset of the control log' })
  control_offset?: string;
}

/** Why one beat was not taken, or not all of it. */
export class SessionTurnBeatError {
  @ApiProperty({
    enum: ['beat_malformed', 'beat_not_recorded'],
    enumName: 'SessionTurnBeatErrorCode',
    description: '`beat_malformed`: nothing of it was taken. `beat_not_recorded`: only the lease was renewed.',
  })
  code!: 'beat_malformed' | 'beat_not_recorded';

  @ApiProperty({ description: 'What happened, and what to do next.' })
  message!: string;
}

export class SessionTurnBeatAnswer {
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Turn that the runner was granted; null when the beat names none.',
  })
  turn_id!: string | null;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Epoch of the beat; null when it has none.' })
  epoch!: number | null;

  @ApiProperty({
    description: 'False, and no error: end its agent at once and write nothing more for it.',
  })
  is_current!: boolean;

  @ApiPropertyOptional({ description: 'A new credential, long before the one in use ends.' })
  credential?: string;

  @ApiPropertyOptional({ type: SessionTurnBeatError, description: 'Why not all of the beat was taken.' })
  error?: SessionTurnBeatError;
}

export class SessionTurnBeatAnswers {
  @ApiProperty({ type: [SessionTurnBeatAnswer], description: 'One for each beat, in their order.' })
  turns!: SessionTurnBeatAnswer[];

  @ApiProperty({
    type: [Object],
    description:
      'Commands after `control_offset`, at most 100 and only where it was sent. They are those of the control log.',
  })
  commands!: object[];
}

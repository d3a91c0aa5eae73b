import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsString, Matches, MaxLength, Min, MinLength, ValidateNested } from 'class-validator';
import { MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { TURN_STATUSES, type TurnStatus } from '../control/session-turn.rules.js';

/** Most characters of a prompt. */
const MAX_PROMPT = 262_144;

export class SessionStreamAgent {
  @ApiProperty({ description: 'Name of an agent of the project.' })
  @IsString()
  @Matches(/^[a-z0-9][a-z0-9_-]{0,63}$/)
  name!: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'Revision to run; the current one when left out.' })
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  revision?: number;
}

/** With a prompt: send it, as a new turn. Without one: cancel the live turn. */
export class SessionStreamInvoke {
  @ApiProperty({ description: 'Session to run; made when it does not exist and a prompt is given.' })
  @IsSessionId()
  session_id!: string;

  @ApiPropertyOptional({ minLength: 1, maxLength: MAX_PROMPT, description: 'What the agent is asked.' })
  @MayBeAbsent()
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_PROMPT)
  prompt?: string;

  @ApiPropertyOptional({
    description: "What to run. Left out: the agent of the session's last turn, or `scripted` in a new session.",
  })
  @MayBeAbsent()
  @ValidateNested()
  @Type(() => SessionStreamAgent)
  agent?: SessionStreamAgent;
}

export class SessionStreamInvoked {
  @ApiProperty({
    enum: ['send', 'cancel'],
    enumName: 'SessionStreamCommand',
    description: 'Which command the request was.',
  })
  mode!: 'send' | 'cancel';

  @ApiProperty({ description: 'Session that the command was for.' })
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'The turn that was started or asked to stop.' })
  turn_id!: string;

  @ApiProperty({ enum: TURN_STATUSES, enumName: 'SessionTurnStatus', description: 'Status of the turn.' })
  status!: TurnStatus;
}

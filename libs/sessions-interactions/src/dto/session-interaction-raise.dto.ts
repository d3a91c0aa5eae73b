import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsDefined, IsIn, IsInt, IsString, IsUUID, MaxLength, Min, MinLength, ValidateNested } from 'class-validator';
import { IsSessionId } from '@holdfast/platform-postgres';
import { SessionInteractionRequest } from './session-interaction-request.dto.js';
import { INTERACTION_KINDS, type InteractionKind } from './session-interaction.dto.js';

/** The turn that a runner speaks for. */
class SessionInteractionTurn {
  @ApiProperty({ description: 'Session of the turn.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn whose agent asks.' })
  @IsUUID()
  turn_id!: string;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'Epoch that the turn was claimed with.' })
  @IsInt()
  @Min(1)
  epoch!: number;
}

/** A question of an agent. */
export class SessionInteractionRaise extends SessionInteractionTurn {
  @ApiProperty({
    minLength: 1,
    maxLength: 256,
    description: "The runner's own id of the question, unique in the session; the same again is the same question.",
  })
  @IsString()
  @MinLength(1)
  @MaxLength(256)
  token!: string;

  @ApiProperty({
    enum: INTERACTION_KINDS,
    enumName: 'SessionInteractionKind',
    description: 'What kind of answer it needs.',
  })
  @IsIn(INTERACTION_KINDS)
  kind!: InteractionKind;

  @ApiProperty({ description: 'What is asked.' })
  @IsDefined()
  @ValidateNested()
  @Type(() => SessionInteractionRequest)
  request!: SessionInteractionRequest;
}

/** Says that the agent of this turn has taken the answer. */
export class SessionInteractionResolve extends SessionInteractionTurn {}

import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsString, IsUUID, Length, Max, Min } from 'class-validator';
import { LowerCase } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';

/** Gives a turn to another runner. */
export class SessionTurnDetach {
  @ApiProperty({ description: 'Session that the turn belongs to.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn that the runner was granted.' })
  @LowerCase()
  @IsUUID()
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Epoch of the grant.' })
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  epoch!: number;

  @ApiProperty({ minLength: 1, maxLength: 256, description: 'Why, for the log, for example `drain`.' })
  @IsString()
  @Length(1, 256)
  reason!: string;
}

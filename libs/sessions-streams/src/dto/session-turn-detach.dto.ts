import { ApiProperty } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';
import { SessionTurnFence } from './session-turn-fence.dto.js';

/** Gives a turn to another runner. */
export class SessionTurnDetach extends SessionTurnFence {
  @ApiProperty({ minLength: 1, maxLength: 256, description: 'Why, for the log, for example `drain`.' })
  @IsString()
  @Length(1, 256)
  reason!: string;
}

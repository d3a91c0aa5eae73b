import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsUUID, Max, Min } from 'class-validator';
import { LowerCase } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';

/** Says that the agent has taken a prompt that was offered to its turn. */
export class SessionTurnMerge {
  @ApiProperty({ description: 'Session that the turn belongs to.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn whose agent has taken the prompt.' })
  @LowerCase()
  @IsUUID()
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Epoch of the grant.' })
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  epoch!: number;

  @ApiProperty({
    format: 'uuid',
    description: 'Turn of the inbox whose prompt it took: `prompt_turn_id` of the command.',
  })
  @LowerCase()
  @IsUUID()
  merged_turn_id!: string;
}

import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { LowerCase } from '@holdfast/platform-http';
import { SessionTurnFence } from './session-turn-fence.dto.js';

/** Says that the agent has taken a prompt that was offered to its turn. */
export class SessionTurnMerge extends SessionTurnFence {
  @ApiProperty({
    format: 'uuid',
    description: 'Turn of the inbox whose prompt it took: `prompt_turn_id` of the command.',
  })
  @LowerCase()
  @IsUUID()
  merged_turn_id!: string;
}

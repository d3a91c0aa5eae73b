import { ApiProperty } from '@nestjs/swagger';
import { IsSessionId } from '@holdfast/platform-postgres';

export class SessionStreamKill {
  @ApiProperty({ description: 'Session to kill.' })
  @IsSessionId()
  session_id!: string;
}

/** What a kill ended. A second one ends nothing. */
export class SessionStreamKilled {
  @ApiProperty({ description: 'Session that was killed.' })
  session_id!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The live turn that it cancelled.' })
  turn_id!: string | null;

  @ApiProperty({
    type: 'array',
    items: { type: 'string', format: 'uuid' },
    description: 'The prompts that waited, which it withdrew.',
  })
  withdrawn_turn_ids!: string[];
}

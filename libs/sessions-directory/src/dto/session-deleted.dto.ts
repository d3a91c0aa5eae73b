import { ApiProperty } from '@nestjs/swagger';

/** What was deleted, and what was ended with it. */
export class SessionDeleted {
  @ApiProperty({ description: 'Id that the session had; it may be used again, for another one.' })
  session_id!: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Turn that was live; null where none was.',
  })
  turn_id!: string | null;

  @ApiProperty({
    type: 'array',
    items: { type: 'string', format: 'uuid' },
    description: 'Turns that waited in its inbox, the next one first.',
  })
  withdrawn_turn_ids!: string[];
}

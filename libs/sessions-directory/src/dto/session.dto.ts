import { ApiProperty } from '@nestjs/swagger';

/** One conversation with an agent: its entry in the directory. */
export class Session {
  @ApiProperty({ description: "The caller's id of the session, unique in its project." })
  session_id!: string;

  @ApiProperty({ type: String, nullable: true, description: 'What people call it.' })
  name!: string | null;

  @ApiProperty({
    type: Object,
    additionalProperties: { type: 'string' },
    description: 'Text that the caller finds it by.',
  })
  labels!: Record<string, string>;

  @ApiProperty({ format: 'date-time', description: 'When the session was made.' })
  created_at!: string;

  @ApiProperty({ format: 'date-time', description: 'When its name or labels last changed.' })
  updated_at!: string;

  @ApiProperty({ format: 'uuid', description: 'Principal that made it.' })
  created_by_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Principal that last changed its name or labels.' })
  updated_by_id!: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Since when it takes nothing new; null while it is in use.',
  })
  archived_at!: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Principal that put it away.' })
  archived_by_id!: string | null;
}

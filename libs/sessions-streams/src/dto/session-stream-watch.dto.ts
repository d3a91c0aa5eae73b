import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, Matches, ValidateNested } from 'class-validator';
import { Problem } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';

/** Most sessions of one watch. */
const MAX_SESSIONS = 200;

/** One session of a watch, and from where. */
export class SessionStreamPlace {
  @ApiProperty({ description: 'Session to watch.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({
    description: '`-1` (start), `now` (end) or an offset of an earlier answer.',
    pattern: '^(-1|now|\\d{16}_\\d{16})$',
  })
  @Matches(/^(-1|now|\d{16}_\d{16})$/, { message: '$property must be -1, now, or an offset that this server gave' })
  offset!: string;
}

export class SessionStreamWatch {
  @ApiProperty({
    type: [SessionStreamPlace],
    minItems: 1,
    maxItems: MAX_SESSIONS,
    description: 'The sessions to watch, none of them twice.',
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_SESSIONS)
  @ArrayUnique((place: SessionStreamPlace | null) => place?.session_id, {
    message: '$property must name no session twice',
  })
  @ValidateNested({ each: true })
  @Type(() => SessionStreamPlace)
  sessions!: SessionStreamPlace[];
}

/** What an SSE event `data` of a watch carries: all or nothing of it arrives. */
export class SessionStreamEvents {
  @ApiProperty({ description: 'Session that the events are of.' })
  session_id!: string;

  @ApiProperty({ description: 'Offset after the last of the events: watch from here to go on.' })
  next_offset!: string;

  @ApiProperty({ description: 'Whether nothing followed the events when they were sent.' })
  up_to_date!: boolean;

  @ApiProperty({
    type: 'array',
    items: { type: 'object', additionalProperties: true },
    description: 'Messages of the log, oldest first (docs/reference/events.md).',
  })
  events!: object[];
}

/** What an SSE event `problem` of a watch carries: the session is not watched any further. */
export class SessionStreamProblem {
  @ApiProperty({ description: 'Session that cannot be watched.' })
  session_id!: string;

  @ApiProperty({ description: 'Why, as problem details.' })
  problem!: Problem;
}

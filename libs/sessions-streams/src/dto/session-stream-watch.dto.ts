import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsOptional,
  IsUUID,
  Matches,
  registerDecorator,
  ValidateNested,
  type ValidationArguments,
} from 'class-validator';
import { LowerCase, Problem } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';

/** Most logs of one watch, those of sessions and those of tasks together. */
const MAX_LOGS = 500;

const OFFSET = {
  description: '`-1` (start), `now` (end) or an offset of an earlier answer.',
  pattern: '^(-1|now|\\d{16}_\\d{16})$',
};

const IsPlace = () =>
  Matches(/^(-1|now|\d{16}_\d{16})$/, { message: '$property must be -1, now, or an offset that this server gave' });

/** One session of a watch, and from where. */
export class SessionStreamPlace {
  @ApiProperty({ description: 'Session to watch.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty(OFFSET)
  @IsPlace()
  offset!: string;
}

/** One activity log of a watch, and from where. */
export class SessionStreamActivityPlace {
  @ApiProperty({ format: 'uuid', description: 'Task whose activity log is watched.' })
  @IsUUID()
  @LowerCase()
  task_id!: string;

  @ApiProperty(OFFSET)
  @IsPlace()
  offset!: string;
}

/** On `sessions`: a watch is of something, and of no more than fits on one connection. */
function IsOfSomeLogs(): PropertyDecorator {
  return (target, propertyName) =>
    registerDecorator({
      name: 'isOfSomeLogs',
      target: target.constructor,
      propertyName: String(propertyName),
      validator: {
        validate: (_: unknown, { object }: ValidationArguments) => {
          const { sessions, activities } = object as Partial<Record<'sessions' | 'activities', unknown[] | null>>;
          const count = (sessions?.length ?? 0) + (activities?.length ?? 0);
          return count >= 1 && count <= MAX_LOGS;
        },
        defaultMessage: () => `sessions and activities must name 1 to ${MAX_LOGS} logs together`,
      },
    });
}

export class SessionStreamWatch {
  @ApiProperty({
    type: [SessionStreamPlace],
    maxItems: MAX_LOGS,
    required: false,
    description: 'The sessions to watch, none of them twice. With `activities` they name 1 to 500 logs.',
  })
  @IsOfSomeLogs()
  @IsArray()
  @ArrayMaxSize(MAX_LOGS)
  @ArrayUnique((place: SessionStreamPlace | null) => place?.session_id, {
    message: '$property must name no session twice',
  })
  @ValidateNested({ each: true })
  @Type(() => SessionStreamPlace)
  sessions: SessionStreamPlace[] = [];

  @ApiProperty({
    type: [SessionStreamActivityPlace],
    maxItems: MAX_LOGS,
    required: false,
    description: 'The tasks whose activity logs are watched, none of them twice.',
  })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MAX_LOGS)
  @ArrayUnique((place: SessionStreamActivityPlace | null) => place?.task_id, {
    message: '$property must name no task twice',
  })
  @ValidateNested({ each: true })
  @Type(() => SessionStreamActivityPlace)
  activities?: SessionStreamActivityPlace[];
}

/** What an SSE event `data` of a watch carries: all or nothing of it arrives. */
export class SessionStreamEvents {
  @ApiProperty({ required: false, description: 'Session that the events are of.' })
  session_id?: string;

  @ApiProperty({
    required: false,
    format: 'uuid',
    description: 'In place of `session_id`: the task whose activity log the events are of.',
  })
  task_id?: string;

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

/** What an SSE event `problem` of a watch carries: the log is not watched any further. */
export class SessionStreamProblem {
  @ApiProperty({ required: false, description: 'Session that cannot be watched.' })
  session_id?: string;

  @ApiProperty({
    required: false,
    format: 'uuid',
    description: 'In place of `session_id`: the task whose activity log cannot be watched.',
  })
  task_id?: string;

  @ApiProperty({ description: 'Why, as problem details.' })
  problem!: Problem;
}

import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsInt,
  IsString,
  IsUUID,
  Length,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { MayBeAbsent, PageQuery } from '@holdfast/platform-http';
import { MAX_BODY_CHARACTERS, MAX_RECIPIENTS, MESSAGE_KINDS, type MessageKind } from '../task-message.rules.js';

/** A message to other agents of the caller's tree. */
export class SessionTaskMessageSend {
  @ApiProperty({
    type: [String],
    minItems: 1,
    maxItems: MAX_RECIPIENTS,
    description:
      'To whom: `parent`, `orchestrator` (the root of the tree), the id of a task, or a name that one task of the tree has alone.',
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_RECIPIENTS)
  @ArrayUnique()
  @IsString({ each: true })
  @Length(1, 200, { each: true })
  to!: string[];

  @ApiPropertyOptional({ description: 'What it is about.', maxLength: 200 })
  @MayBeAbsent()
  @IsString()
  @MaxLength(200)
  subject?: string;

  @ApiProperty({ description: 'What it says, at most 64 KiB of UTF-8.', maxLength: MAX_BODY_CHARACTERS })
  @IsString()
  @Length(1, MAX_BODY_CHARACTERS)
  body!: string;
}

export class SessionTaskMessageSent {
  @ApiProperty({ format: 'uuid', description: 'Names the message.' })
  message_id!: string;

  @ApiProperty({ type: [String], format: 'uuid', description: 'The tasks that it is for.' })
  to_task_ids!: string[];
}

/** A message as its recipient finds it. */
export class SessionTaskMessage {
  @ApiProperty({ format: 'uuid', description: 'Names the message: show each once, it may be delivered again.' })
  message_id!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Task that sent it.' })
  from_task_id!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'What the sender is shown as.' })
  from_name!: string | null;

  @ApiProperty({
    enum: MESSAGE_KINDS,
    enumName: 'SessionTaskMessageKind',
    description: '`message`: an agent wrote it. `lifecycle`: the platform tells that the sender ended.',
  })
  kind!: MessageKind;

  @ApiProperty({ type: String, nullable: true, description: 'What it is about; of `lifecycle` the state it ended in.' })
  subject!: string | null;

  @ApiProperty({ description: 'What it says.' })
  body!: string;

  @ApiProperty({ format: 'date-time', description: 'When it was sent.' })
  created_at!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When it was handed to the agent.' })
  delivered_at!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When the agent had read it.' })
  read_at!: string | null;
}

export class SessionTaskMessageQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'Only those that were not read; or, when false, only those that were.' })
  @MayBeAbsent()
  @IsBoolean()
  unread?: boolean;
}

/** Messages to the caller's task, oldest first. */
export class SessionTaskMessagePage {
  @ApiProperty({ type: [SessionTaskMessage], description: 'The messages of this page.' })
  data!: SessionTaskMessage[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}

export class SessionTaskMessageWait {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: 50,
    default: 30,
    description: 'How long to wait for one, in seconds.',
  })
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(50)
  timeout_seconds: number = 30;
}

export class SessionTaskMessages {
  @ApiProperty({
    type: [SessionTaskMessage],
    description: 'Messages that were not delivered, oldest first, at most 100; none when none came in time.',
  })
  messages!: SessionTaskMessage[];
}

/** Messages of which something is noted. Again changes nothing; ids of others are left out. */
export class SessionTaskMessageNote {
  @ApiProperty({ type: [String], format: 'uuid', minItems: 1, maxItems: 200, description: 'The messages.' })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(200)
  @IsUUID(undefined, { each: true })
  message_ids!: string[];
}

export class SessionTaskMessagesNoted {
  @ApiProperty({ type: [String], format: 'uuid', description: 'Those of which it was noted now.' })
  message_ids!: string[];
}

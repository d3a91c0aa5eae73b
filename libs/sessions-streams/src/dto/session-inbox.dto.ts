import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsUUID } from 'class-validator';
import { PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { SessionTurn } from './session-turn.dto.js';

/** More than ever wait, so that a wrong list is told what is there rather than that it is too long. */
const MAX_TURN_IDS = 1000;

export class SessionInboxQuery extends PageQuery {
  @ApiProperty({ description: 'Session whose waiting prompts are wanted.' })
  @IsSessionId()
  session_id!: string;
}

/** The prompts that wait in a session; the first one is the next to run. */
export class SessionInboxPage {
  @ApiProperty({ type: [SessionTurn], description: 'The prompts of this page.' })
  data!: SessionTurn[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}

/** The order of what waits in a session. */
export class SessionInbox {
  @ApiProperty({ description: 'Session that the prompts wait in.' })
  session_id!: string;

  @ApiProperty({
    type: 'array',
    items: { type: 'string', format: 'uuid' },
    description: 'Every prompt that waits; the first one is the next to run.',
  })
  turn_ids!: string[];
}

export class SessionInboxReorder {
  @ApiProperty({ description: 'Session whose prompts are to be put in another order.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({
    type: 'array',
    items: { type: 'string', format: 'uuid' },
    maxItems: MAX_TURN_IDS,
    description: 'Every prompt that waits, in the new order.',
  })
  @IsArray()
  @ArrayMaxSize(MAX_TURN_IDS)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  turn_ids!: string[];
}

export class SessionInboxWithdraw {
  @ApiProperty({ description: 'Session that the prompt waits in.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'The prompt to withdraw.' })
  @IsUUID()
  turn_id!: string;
}

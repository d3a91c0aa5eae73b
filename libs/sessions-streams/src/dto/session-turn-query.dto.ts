import { ApiProperty } from '@nestjs/swagger';
import { PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { SessionTurn } from './session-turn.dto.js';

export class SessionTurnQuery extends PageQuery {
  @ApiProperty({ description: 'Session whose turns are wanted.' })
  @IsSessionId()
  session_id!: string;
}

/** Turns of a session, newest first. */
export class SessionTurnPage {
  @ApiProperty({ type: [SessionTurn], description: 'The turns of this page.' })
  data!: SessionTurn[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}

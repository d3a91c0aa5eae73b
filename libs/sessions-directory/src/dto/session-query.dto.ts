import { ApiProperty } from '@nestjs/swagger';
import { PageQuery } from '@holdfast/platform-http';
import { Session } from './session.dto.js';

/** Which part of the project's sessions is asked for. */
export class SessionQuery extends PageQuery {}

/** Sessions of the project, newest first. */
export class SessionPage {
  @ApiProperty({ type: [Session], description: 'The sessions of this page.' })
  data!: Session[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}

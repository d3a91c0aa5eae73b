import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '@holdfast/platform-http';
import { Session } from './session.dto.js';

const ARCHIVED = ['exclude', 'only', 'include'] as const;
export type ArchivedSessions = (typeof ARCHIVED)[number];

/** Which part of the project's sessions is asked for. */
export class SessionQuery extends PageQuery {
  @ApiPropertyOptional({
    enum: ARCHIVED,
    default: 'exclude',
    description:
      'Whether those that were put away are left out, are all that is listed, or are listed with the others.',
  })
  @IsOptional()
  @IsIn(ARCHIVED)
  archived?: ArchivedSessions;
}

/** Sessions of the project, newest first. */
export class SessionPage {
  @ApiProperty({ type: [Session], description: 'The sessions of this page.' })
  data!: Session[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}

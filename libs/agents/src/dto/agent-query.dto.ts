import { ApiProperty } from '@nestjs/swagger';
import { PageQuery } from '@holdfast/platform-http';
import { Agent } from './agent.dto.js';

/** Which part of the project's agents is asked for. */
export class AgentQuery extends PageQuery {}

/** Agents of the project, by name. */
export class AgentPage {
  @ApiProperty({ type: [Agent], description: 'The agents of this page.' })
  data!: Agent[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}

import { ApiProperty } from '@nestjs/swagger';
import { APPROVALS, DRIVES, HARNESSES, type Approvals, type Drive, type Harness } from '../agent-content.rules.js';

/** An agent with the content of its current revision. */
export class Agent {
  @ApiProperty({ description: 'What turns and people call it; unique in its project.' })
  name!: string;

  @ApiProperty({ type: 'integer', description: 'Current revision, from 1. Other content makes the next one.' })
  revision!: number;

  @ApiProperty({ enum: HARNESSES, enumName: 'AgentHarness', description: 'What runs the agent.' })
  harness!: Harness;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Pool whose runners take its turns; null with `push_url`.',
  })
  pool!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Service that is called to run its turns.' })
  push_url!: string | null;

  @ApiProperty({ type: [String], description: 'Labels (`key=value`), all of which a runner must have.' })
  labels!: string[];

  @ApiProperty({ type: 'integer', description: 'How often the owner of a turn may be lost before the turn is.' })
  max_attempts!: number;

  @ApiProperty({ type: String, nullable: true, description: 'Model to ask for; null leaves it to the harness.' })
  model!: string | null;

  @ApiProperty({ type: Object, additionalProperties: { type: 'string' }, description: 'Variables it starts with.' })
  environment!: Record<string, string>;

  @ApiProperty({
    type: [String],
    nullable: true,
    description: "Program and arguments that are run; null runs the harness's own.",
  })
  command!: string[] | null;

  @ApiProperty({ enum: DRIVES, enumName: 'AgentDrive', description: 'How a runner speaks with the harness.' })
  drive!: Drive;

  @ApiProperty({ enum: APPROVALS, enumName: 'AgentApprovals', description: "What becomes of the agent's questions." })
  approvals!: Approvals;

  @ApiProperty({ format: 'date-time', description: 'When the agent was first set.' })
  created_at!: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Who first set it; null: came with the project.',
  })
  created_by_id!: string | null;

  @ApiProperty({ format: 'date-time', description: 'When the current revision was made.' })
  updated_at!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Who made the current revision.' })
  updated_by_id!: string | null;
}

import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsObject,
  IsString,
  Matches,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import { MayBeAbsent } from '@holdfast/platform-http';
import { TASK_STATES, type TaskState } from '../task-state.rules.js';
import { MAX_NAME_LENGTH, MAX_PROMPT_LENGTH, TASK_LOCATIONS, type TaskLocation } from '../task.rules.js';
import { IsTaskName } from './is-task-name.decorator.js';
import { SessionTaskAgentChoice } from './session-task-create.dto.js';
import { SessionTaskError } from './session-task.dto.js';

/** Most agents that one request starts. */
const MAX_AGENTS = 20;

const AGENT_SHAPE = '$property must be an object with the name of an agent';
const AGENTS_SHAPE = 'each of $property must be an object with name and prompt';

/** An agent to be started. */
export class SessionTaskAgentStart {
  @ApiProperty({
    minLength: 1,
    maxLength: MAX_NAME_LENGTH,
    description: 'What it is called among the others; not `parent` or `orchestrator`.',
  })
  @IsString()
  @Matches(/\S/, { message: '$property must say something' })
  @MaxLength(MAX_NAME_LENGTH)
  @IsTaskName()
  name!: string;

  @ApiProperty({ minLength: 1, maxLength: MAX_PROMPT_LENGTH, description: 'What it is asked.' })
  @IsString()
  @Matches(/\S/, { message: '$property must say something' })
  @MaxLength(MAX_PROMPT_LENGTH)
  prompt!: string;

  @ApiPropertyOptional({
    enum: TASK_LOCATIONS,
    enumName: 'SessionTaskLocation',
    default: 'remote',
    description: '`local`: on the machine that runs the calling turn. `remote`: in the pool of its agent.',
  })
  @MayBeAbsent()
  @IsIn(TASK_LOCATIONS)
  mode?: TaskLocation;

  @ApiPropertyOptional({
    type: SessionTaskAgentChoice,
    description: 'What to run. Left out: the very agent of the calling turn.',
  })
  @MayBeAbsent()
  @IsObject({ message: AGENT_SHAPE })
  @ValidateNested({ message: AGENT_SHAPE })
  @Type(() => SessionTaskAgentChoice)
  agent?: SessionTaskAgentChoice;

  @ApiPropertyOptional({ maxLength: MAX_NAME_LENGTH, description: 'What its task is about.' })
  @MayBeAbsent()
  @IsString()
  @MaxLength(MAX_NAME_LENGTH)
  @IsTaskName()
  title?: string;
}

/** Agents that an agent starts below itself (docs/reference/tasks.md). */
export class SessionTaskAgentsRun {
  @ApiProperty({
    type: [SessionTaskAgentStart],
    minItems: 1,
    maxItems: MAX_AGENTS,
    description: 'The agents to start, in the order that their tasks are to have.',
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_AGENTS)
  @IsObject({ each: true, message: AGENTS_SHAPE })
  @ValidateNested({ each: true, message: AGENTS_SHAPE })
  @Type(() => SessionTaskAgentStart)
  agents!: SessionTaskAgentStart[];
}

/** What became of one of them. */
export class SessionTaskAgentStarted {
  @ApiProperty({ format: 'uuid', description: 'Its task, which there is also where it did not start.' })
  task_id!: string;

  @ApiProperty({ description: 'What it is called.' })
  name!: string;

  @ApiProperty({ type: String, nullable: true, description: 'Session that it runs in; null where it did not start.' })
  session_id!: string | null;

  @ApiProperty({ enum: TASK_LOCATIONS, enumName: 'SessionTaskLocation', description: 'Where it runs.' })
  mode!: TaskLocation;

  @ApiProperty({
    enum: TASK_STATES,
    enumName: 'SessionTaskState',
    description: '`queued`: it is in line. `failed` or `error`: it did not start.',
  })
  state!: TaskState;

  @ApiProperty({ type: SessionTaskError, nullable: true, description: 'Why it did not start.' })
  error!: SessionTaskError | null;
}

export class SessionTaskAgentsStarted {
  @ApiProperty({ type: [SessionTaskAgentStarted], description: 'One for each that was asked for, in their order.' })
  agents!: SessionTaskAgentStarted[];
}

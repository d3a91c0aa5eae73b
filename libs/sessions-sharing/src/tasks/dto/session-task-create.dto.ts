import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsString, IsUUID, Length, Max, MaxLength, Min, ValidateNested } from 'class-validator';
import { LowerCase, MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { MAX_NAME_LENGTH, MAX_PROMPT_LENGTH, TASK_LOCATIONS, type TaskLocation } from '../task.rules.js';
import { IsTaskName } from './is-task-name.decorator.js';

/** What a task is to run, as whoever makes it says. */
export class SessionTaskAgentChoice {
  @ApiProperty({ description: 'Name of the agent.', maxLength: 128 })
  @IsString()
  @Length(1, 128)
  name!: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'Its revision; the newest when absent.' })
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(2_147_483_647)
  revision?: number;
}

/** A task to be made. */
export class SessionTaskCreate {
  @ApiPropertyOptional({
    format: 'uuid',
    description: 'Names it; chosen by the server when absent. The same again changes nothing.',
  })
  @MayBeAbsent()
  @IsUUID()
  @LowerCase()
  task_id?: string;

  @ApiPropertyOptional({
    format: 'uuid',
    description: 'Task that it is made under. Absent: it is the root of a new tree.',
  })
  @MayBeAbsent()
  @IsUUID()
  @LowerCase()
  parent_task_id?: string;

  @ApiPropertyOptional({
    description: 'What it is shown as; not `parent` or `orchestrator`.',
    maxLength: MAX_NAME_LENGTH,
  })
  @MayBeAbsent()
  @IsString()
  @MaxLength(MAX_NAME_LENGTH)
  @IsTaskName()
  name?: string;

  @ApiPropertyOptional({ description: 'What it is about.', maxLength: MAX_NAME_LENGTH })
  @MayBeAbsent()
  @IsString()
  @MaxLength(MAX_NAME_LENGTH)
  @IsTaskName()
  title?: string;

  @ApiPropertyOptional({ description: 'What it is asked to do. Kept, not run.', maxLength: MAX_PROMPT_LENGTH })
  @MayBeAbsent()
  @IsString()
  @MaxLength(MAX_PROMPT_LENGTH)
  prompt?: string;

  @ApiPropertyOptional({ description: 'Session that it runs in, which there is already and which no other task has.' })
  @MayBeAbsent()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({
    enum: TASK_LOCATIONS,
    enumName: 'SessionTaskLocation',
    default: 'remote',
    description: "`local`: it runs on a user's own machine, outside every pool.",
  })
  @MayBeAbsent()
  @IsIn(TASK_LOCATIONS)
  location: TaskLocation = 'remote';

  @ApiPropertyOptional({ type: SessionTaskAgentChoice, description: 'What it runs. Kept, not started.' })
  @MayBeAbsent()
  @ValidateNested()
  @Type(() => SessionTaskAgentChoice)
  agent?: SessionTaskAgentChoice;
}

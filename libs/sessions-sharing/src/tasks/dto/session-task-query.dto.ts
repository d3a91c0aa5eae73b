import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsUUID } from 'class-validator';
import { LowerCase, MayBeAbsent, PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { TASK_STATES, type TaskState } from '../task-state.rules.js';
import { SessionTask } from './session-task.dto.js';

/** Which tasks are asked for. Of several that are named, all must hold. */
export class SessionTaskQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Only those directly under this task.' })
  @MayBeAbsent()
  @IsUUID()
  @LowerCase()
  parent_task_id?: string;

  @ApiPropertyOptional({
    format: 'uuid',
    description: 'Only those below this task, at any depth; not the task itself.',
  })
  @MayBeAbsent()
  @IsUUID()
  @LowerCase()
  ancestor_task_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only those of the tree with this root, the root included.' })
  @MayBeAbsent()
  @IsUUID()
  @LowerCase()
  root_task_id?: string;

  @ApiPropertyOptional({ description: 'Only the task of this session.' })
  @MayBeAbsent()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({
    enum: TASK_STATES,
    enumName: 'SessionTaskState',
    isArray: true,
    description: 'Only those in one of these states.',
  })
  @MayBeAbsent()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayUnique()
  @IsIn(TASK_STATES, { each: true })
  states?: TaskState[];
}

/** The log to follow for whatever was asked for. */
export class SessionTaskActivityPlace {
  @ApiProperty({ format: 'uuid', description: 'Task whose activity log it is.' })
  task_id!: string;

  @ApiProperty({ description: 'Where it is read: `/v1/stream/tasks/{task_id}/activity`.' })
  path!: string;

  @ApiProperty({ description: 'Offset from which on it tells everything that is newer than the answer.' })
  offset!: string;
}

/** Tasks of the newest trees first, each tree depth first in spawn order. */
export class SessionTaskPage {
  @ApiProperty({ type: [SessionTask], description: 'The tasks of this page.' })
  data!: SessionTask[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;

  @ApiProperty({
    type: SessionTaskActivityPlace,
    nullable: true,
    description: 'What to follow from then on; null where no task was named, or nothing may be followed.',
  })
  activity!: SessionTaskActivityPlace | null;
}

/** Tasks whose names are wanted. */
export class SessionTaskNameQuery {
  @ApiProperty({ type: [String], format: 'uuid', minItems: 1, maxItems: 200, description: 'The tasks.' })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(200)
  @IsUUID(undefined, { each: true })
  task_ids!: string[];
}

/** What a task is shown as, and nothing that leads to it. */
export class SessionTaskName {
  @ApiProperty({ format: 'uuid', description: 'Whose name it is.' })
  task_id!: string;

  @ApiProperty({ description: 'Its name, else its title, else "Agent".' })
  name!: string;
}

export class SessionTaskNames {
  @ApiProperty({ type: [SessionTaskName], description: 'Those that are known to the caller; the others are left out.' })
  data!: SessionTaskName[];
}

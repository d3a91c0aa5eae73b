import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsString, Length, MaxLength, ValidateIf, ValidateNested } from 'class-validator';
import { MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { TASK_ERROR_KINDS, TASK_STATES, type TaskErrorKind, type TaskState } from '../task-state.rules.js';
import { MAX_NAME_LENGTH } from '../task.rules.js';
import { IsTaskName } from './is-task-name.decorator.js';

export class SessionTaskErrorEdit {
  @ApiProperty({ enum: TASK_ERROR_KINDS, enumName: 'SessionTaskErrorKind', description: 'Who can mend it.' })
  @IsIn(TASK_ERROR_KINDS)
  kind!: TaskErrorKind;

  @ApiProperty({ description: 'Stable code.', maxLength: 128 })
  @IsString()
  @Length(1, 128)
  code!: string;

  @ApiProperty({ description: 'What happened, and what to do next.', maxLength: 4096 })
  @IsString()
  @MaxLength(4096)
  message!: string;
}

/** What is to change of a task. What is left out stays as it is. */
export class SessionTaskEdit {
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

  @ApiPropertyOptional({
    enum: TASK_STATES,
    enumName: 'SessionTaskState',
    description: 'Where it is, of a task that no turn speaks for; where one does, the state follows the turn.',
  })
  @MayBeAbsent()
  @IsIn(TASK_STATES)
  state?: TaskState;

  @ApiPropertyOptional({
    description:
      'Session that it runs in, which there is already and which no other task has. The same again changes nothing. ' +
      'After the task has ended it is refused, but of a local task that names the one it has.',
  })
  @MayBeAbsent()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({
    type: SessionTaskErrorEdit,
    nullable: true,
    description: 'Why it failed; null takes it away.',
  })
  @ValidateIf((_: object, value: unknown) => value !== undefined && value !== null)
  @ValidateNested()
  @Type(() => SessionTaskErrorEdit)
  error?: SessionTaskErrorEdit | null;
}

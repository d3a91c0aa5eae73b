import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { LowerCase } from '@holdfast/platform-http';
import { TASK_LOCATIONS, TASK_SOURCES, type TaskLocation, type TaskSource } from '../task.rules.js';
import {
  SUBTREE_STATUSES,
  TASK_ERROR_KINDS,
  TASK_STATES,
  type SubtreeStatus,
  type TaskErrorKind,
  type TaskState,
} from '../task-state.rules.js';

/** Names a task in a path. */
export class SessionTaskPath {
  @ApiProperty({ format: 'uuid', description: 'The task.' })
  @IsUUID()
  @LowerCase()
  task_id!: string;
}

export class SessionTaskError {
  @ApiProperty({
    enum: TASK_ERROR_KINDS,
    enumName: 'SessionTaskErrorKind',
    description: 'Who can mend it: whoever asked for the task, or whoever runs the platform.',
  })
  kind!: TaskErrorKind;

  @ApiProperty({ description: 'Stable code: of the turn that failed, or of what kept the task from starting.' })
  code!: string;

  @ApiProperty({ description: 'What happened, and what to do next.' })
  message!: string;
}

export class SessionTaskAgent {
  @ApiProperty({ description: 'Name of the agent.' })
  name!: string;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Its revision; null until a turn has pinned one.' })
  revision!: number | null;
}

/** How many tasks are in each state. */
export class SessionTaskCounts implements Record<TaskState, number> {
  @ApiProperty({ type: 'integer', description: 'Tasks that nobody has taken.' })
  queued!: number;

  @ApiProperty({ type: 'integer', description: 'Tasks that are being set up.' })
  pending!: number;

  @ApiProperty({ type: 'integer', description: 'Tasks that somebody has taken.' })
  claimed!: number;

  @ApiProperty({ type: 'integer', description: 'Tasks that run.' })
  in_progress!: number;

  @ApiProperty({ type: 'integer', description: 'Tasks of which a question waits for an answer.' })
  blocked!: number;

  @ApiProperty({ type: 'integer', description: 'Tasks that ended well.' })
  succeeded!: number;

  @ApiProperty({ type: 'integer', description: 'Tasks that failed.' })
  failed!: number;

  @ApiProperty({ type: 'integer', description: 'Tasks that ended by a fault of the platform.' })
  error!: number;

  @ApiProperty({ type: 'integer', description: 'Tasks that were cancelled.' })
  cancelled!: number;
}

/** A task and all its descendants, summed up. */
export class SessionTaskSubtree {
  @ApiProperty({
    enum: SUBTREE_STATUSES,
    enumName: 'SessionTaskSubtreeStatus',
    description:
      'The first of these that occurs. A task that waits for messages itself outranks descendants that work; one that ' +
      'failed or was cancelled outranks descendants that wait.',
  })
  status!: SubtreeStatus;

  @ApiProperty({ type: 'integer', description: 'How many tasks there are, this one included.' })
  total!: number;

  @ApiProperty({ type: SessionTaskCounts, description: 'How many of them are in each state.' })
  states!: SessionTaskCounts;
}

/** What is told of a task, also by the events of its activity log. */
export class SessionTaskFacts {
  @ApiProperty({
    format: 'uuid',
    description: 'Names the task; of two, the later has the greater, unless its maker chose it.',
  })
  task_id!: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The task that it was made under. Null of a root, and of the task that a share was made for.',
  })
  parent_task_id!: string | null;

  @ApiProperty({ format: 'uuid', description: 'Top of its tree, as far as the caller may see; its own id at the top.' })
  root_task_id!: string;

  @ApiProperty({ type: 'integer', description: 'How many tasks are above it; 0 at the top.' })
  depth!: number;

  @ApiProperty({ type: 'integer', description: 'Its place among the tasks under its parent, from 1. 0 at the top.' })
  spawn_order!: number;

  @ApiProperty({
    type: [Number],
    description: 'The spawn orders from the top down to it: trees listed by it are listed depth first.',
  })
  spawn_path!: number[];

  @ApiProperty({ description: 'What it is shown as: its name, else its title, else "Agent".' })
  name!: string;

  @ApiProperty({ type: String, nullable: true, description: 'What it is about.' })
  title!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'What it was asked to do. In lists and events its first 8192 characters; whole where one task is fetched.',
  })
  prompt!: string | null;

  @ApiProperty({
    enum: TASK_LOCATIONS,
    enumName: 'SessionTaskLocation',
    description: "`remote`: a runner's pool runs it. `local`: it runs on a user's own machine, outside every pool.",
  })
  location!: TaskLocation;

  @ApiProperty({
    enum: TASK_STATES,
    enumName: 'SessionTaskState',
    description:
      'Where it is. The first four can be cancelled; `blocked`: a question waits for an answer; `failed`: whoever asked ' +
      'can mend it; `error`: the platform’s fault. Take a state that you do not know for `error`, never for success.',
  })
  state!: TaskState;

  @ApiProperty({ description: 'Whether its agent waits for messages of other agents.' })
  waiting!: boolean;

  @ApiProperty({ type: SessionTaskError, nullable: true, description: 'Why it failed.' })
  error!: SessionTaskError | null;

  @ApiProperty({ type: String, nullable: true, description: 'Session that it runs in; null before it has one.' })
  session_id!: string | null;

  @ApiProperty({ type: SessionTaskAgent, nullable: true, description: 'What it runs; null when nobody said.' })
  agent!: SessionTaskAgent | null;

  @ApiProperty({ type: String, nullable: true, description: 'The agent program; null until a turn has pinned one.' })
  harness!: string | null;

  @ApiProperty({
    enum: TASK_SOURCES,
    enumName: 'SessionTaskSource',
    description:
      'Who made it: somebody over the API, the command line, an agent of its tree (`orchestration`), or the platform for ' +
      'a session that a user runs (`user`).',
  })
  source!: TaskSource;

  @ApiProperty({ type: 'integer', description: 'How many tasks are directly under it.' })
  children_count!: number;

  @ApiProperty({ format: 'date-time', description: 'When it was made.' })
  created_at!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When it first ran.' })
  started_at!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When it ended; null while it is open.',
  })
  ended_at!: string | null;

  @ApiProperty({ format: 'date-time', description: 'When it last changed.' })
  updated_at!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Principal that made it.' })
  created_by_id!: string | null;
}

/** A node of a tree of orchestrated agents. */
export class SessionTask extends SessionTaskFacts {
  @ApiProperty({ type: SessionTaskSubtree, description: 'It and all its descendants, summed up.' })
  subtree!: SessionTaskSubtree;
}

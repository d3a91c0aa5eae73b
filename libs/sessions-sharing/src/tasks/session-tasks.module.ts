import { Global, Module } from '@nestjs/common';
import { TaskActivityRelayer } from '../activity/task-activity.relayer.js';
import { TaskActivity } from '../activity/task-activity.service.js';
import { TaskMessagesRepository } from '../messages/task-messages.repository.js';
import { TaskPost } from '../messages/task-post.service.js';
import { TaskStates } from './task-states.service.js';
import { TaskViews } from './task-view.js';
import { TasksReader } from './tasks.reader.js';
import { TasksRepository } from './tasks.repository.js';

const exported = [
  TaskStates,
  TasksReader,
  TasksRepository,
  TaskViews,
  TaskActivity,
  TaskActivityRelayer,
  TaskMessagesRepository,
  TaskPost,
];

/** What of tasks needs no other domain, so that the others can tell it of their facts. */
@Global()
@Module({ providers: exported, exports: exported })
export class SessionTasksModule {}

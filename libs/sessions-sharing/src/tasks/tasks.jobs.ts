import { IsUUID } from 'class-validator';
import { defineJob } from '@holdfast/platform-queue';

/** Names a tree in which something is to stop; the project comes with the job. */
export class StopTasks {
  @IsUUID()
  root_task_id!: string;
}

/** The jobs of this domain. Each is a hint: the handler looks at what is to stop by then. */
export const sessionsSharingJobs = {
  stopTasks: defineJob({ name: 'stop-tasks', queue: 'session-tasks', payload: StopTasks }),
};

import { Processor, WorkerHost } from '@nestjs/bullmq';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { JobHandlers, Jobs, type OutboxJob } from '@holdfast/platform-queue';
import { StopTasksFlow } from '@holdfast/sessions';
import { sessionsSharingJobs } from '@holdfast/sessions-sharing';

const CONCURRENCY = 4;

@Processor(sessionsSharingJobs.stopTasks.queue, { concurrency: CONCURRENCY })
export class SessionTasksProcessor extends WorkerHost implements BeforeApplicationShutdown {
  constructor(
    private readonly flow: StopTasksFlow,
    private readonly unitOfWork: UnitOfWork,
    private readonly handlers: JobHandlers,
    private readonly jobs: Jobs,
  ) {
    super();
  }

  process(job: OutboxJob): Promise<void> {
    return this.handlers.handle(sessionsSharingJobs, job, {
      stopTasks: async ({ root_task_id }, { project_id, finish }) => {
        const isMoreDue = await this.flow.run(project_id, root_task_id);
        await this.unitOfWork.run(async (tx) => {
          if (!(await finish(tx)) || !isMoreDue) return;
          await this.jobs.enqueue(tx, sessionsSharingJobs.stopTasks, project_id, { root_task_id });
        });
      },
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.close();
  }
}

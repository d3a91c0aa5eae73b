import { Processor, WorkerHost } from '@nestjs/bullmq';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { JobHandlers, type OutboxJob } from '@holdfast/platform-queue';
import { StartPushTurnFlow } from '@holdfast/sessions';
import { sessionsStreamsJobs } from '@holdfast/sessions-streams';

/** Calls that wait for a service cost little, and each ends within its deadline. */
const CONCURRENCY = 256;

@Processor(sessionsStreamsJobs.startPushTurn.queue, { concurrency: CONCURRENCY })
export class PushTurnsProcessor extends WorkerHost implements BeforeApplicationShutdown {
  constructor(
    private readonly startTurn: StartPushTurnFlow,
    private readonly jobs: JobHandlers,
  ) {
    super();
  }

  process(job: OutboxJob): Promise<void> {
    return this.jobs.handle(sessionsStreamsJobs, job, {
      startPushTurn: async ({ session_id, turn_id }, { project_id, finish }) => {
        await this.startTurn.run({ project_id, session_id, turn_id }, finish);
      },
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.close();
  }
}

import { Processor, WorkerHost } from '@nestjs/bullmq';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { JobHandlers, type OutboxJob } from '@holdfast/platform-queue';
import { sessionsTriggersJobs, TriggerDeliveriesService } from '@holdfast/sessions-triggers';

const CONCURRENCY = 4;

@Processor(sessionsTriggersJobs.reconcileTriggerDelivery.queue, { concurrency: CONCURRENCY })
export class TriggerDeliveriesProcessor extends WorkerHost implements BeforeApplicationShutdown {
  constructor(
    private readonly deliveries: TriggerDeliveriesService,
    private readonly unitOfWork: UnitOfWork,
    private readonly jobs: JobHandlers,
  ) {
    super();
  }

  process(job: OutboxJob): Promise<void> {
    return this.jobs.handle(sessionsTriggersJobs, job, {
      reconcileTriggerDelivery: async ({ session_id, turn_id }, { project_id, finish }) => {
        await this.unitOfWork.run(async (tx) => {
          if (await finish(tx)) await this.deliveries.reconcile(tx, { project_id, session_id, turn_id });
        });
      },
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.close();
  }
}

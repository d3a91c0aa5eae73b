import { Processor, WorkerHost } from '@nestjs/bullmq';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { JobHandlers } from '@holdfast/platform-queue';
import type { OutboxJob } from '@holdfast/platform-queue';
import { sessionsTranscriptsJobs, TranscriptProjector, TranscriptRemoval } from '@holdfast/sessions-transcripts';

@Processor(sessionsTranscriptsJobs.projectSessionTranscript.queue)
export class SessionTranscriptsProcessor extends WorkerHost implements BeforeApplicationShutdown {
  constructor(
    private readonly projector: TranscriptProjector,
    private readonly removal: TranscriptRemoval,
    private readonly unitOfWork: UnitOfWork,
    private readonly jobs: JobHandlers,
  ) {
    super();
  }

  process(job: OutboxJob): Promise<void> {
    return this.jobs.handle(sessionsTranscriptsJobs, job, {
      projectSessionTranscript: async ({ session_id }, delivery) => {
        // The projection commits by itself, batch by batch; doing it again changes nothing.
        await this.projector.projectUntilCaughtUp(delivery.project_id, session_id);
        await this.unitOfWork.run((tx) => delivery.finish(tx));
      },
      // What is removed is removed batch by batch too: a row whose worker dies comes again, and finds what is left.
      removeSessionRecords: async ({ session_id, generation }, delivery) => {
        await this.removal.removeRecords({ project_id: delivery.project_id, session_id }, generation);
        await this.unitOfWork.run((tx) => delivery.finish(tx));
      },
      removeNativeConversations: async ({ conversation_ids }, delivery) => {
        await this.removal.removeConversations(delivery.project_id, conversation_ids);
        await this.unitOfWork.run((tx) => delivery.finish(tx));
      },
    });
  }

  /** Jobs in hand finish while the process still answers that it is draining; BullModule ends workers after that. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.close();
  }
}

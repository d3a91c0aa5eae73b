import { Injectable, Logger } from '@nestjs/common';
import { LogRepository, type LogKey } from '@holdfast/durable-streams';
import { TranscriptProjector } from '@holdfast/sessions-transcripts';

const BATCH = 100;
const SESSION_LOG = /^sessions\/(.+)\/events$/;

/** How long a log that could not be projected is left alone. */
const FAILED_PAUSE_MS = 30_000;

/**
 * Projects every log whose transcript lags behind, found through the log's own index: what was hinted by a job that
 * got lost is found here, and a running turn's transcript keeps up with it.
 */
@Injectable()
export class ProjectLaggingLogsFlow {
  private readonly logger = new Logger(ProjectLaggingLogsFlow.name);
  private readonly failed = new Map<string, number>();

  constructor(
    private readonly logs: LogRepository,
    private readonly projector: TranscriptProjector,
  ) {}

  /** One pass over all of them. Ends early when `stopping` aborts. Safe with any number of workers. */
  async run(stopping: AbortSignal): Promise<void> {
    let lagging: LogKey[] = [];
    do {
      lagging = await this.logs.lagging(BATCH, lagging.at(-1));
      for (const log of lagging) if (!stopping.aborted) await this.project(log);
    } while (lagging.length === BATCH && !stopping.aborted);
  }

  private async project({ project_id, path }: LogKey): Promise<void> {
    const session_id = SESSION_LOG.exec(path)?.[1];
    const key = `${project_id} ${path}`;
    if (!session_id || (this.failed.get(key) ?? 0) > Date.now()) return;
    try {
      await this.projector.projectUntilCaughtUp(project_id, session_id);
      this.failed.delete(key);
    } catch (error) {
      // One log that cannot be projected must not hold up the others.
      this.failed.set(key, Date.now() + FAILED_PAUSE_MS);
      this.logger.error({ event: 'projection.failed', session_id, err: error });
    }
  }
}

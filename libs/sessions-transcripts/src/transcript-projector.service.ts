import { Injectable } from '@nestjs/common';
import { UnitOfWork, type SessionKey } from '@holdfast/platform-postgres';
import { EventSource, type EventBatch } from './ports/event-source.port.js';
import { ProjectionProgress } from './ports/projection-progress.port.js';
import { project, startOfLog, type Projection } from './projection/transcript-projection.rules.js';
import { Redactor } from './redaction/redactor.js';
import { SessionRecordsRepository, type SavedProjection } from './session-records.repository.js';

/** Events of one transaction. */
export const BATCH_EVENTS = 500;
/** After so many batches a job ends, so that one session that never falls silent cannot keep a worker. */
const MAX_BATCHES = 200;

/** What one step of a projection did. */
export interface ProjectionStep {
  /** Whether the transcript had reached the tail that it read. */
  caughtUp: boolean;
  /** Whether this step wrote: not when there was nothing new, nor when another worker was first. */
  advanced: boolean;
}

/** Thrown to roll back; never leaves this file. */
class AnotherWorkerWasFirst extends Error {}

/**
 * Projects logs into records. Records, open items, how far it got, and the log's own mark commit together by
 * compare-and-set, so any number of workers may project the same session, and each may die at any moment.
 */
@Injectable()
export class TranscriptProjector {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly repository: SessionRecordsRepository,
    private readonly eventSource: EventSource,
    private readonly progress: ProjectionProgress,
    private readonly redactor: Redactor,
  ) {}

  /**
   * Projects until nothing is left, another worker is found at it, or the job has done its share; true when nothing is
   * left.
   */
  async projectUntilCaughtUp(project_id: string, session_id: string): Promise<boolean> {
    let step: ProjectionStep;
    let batches = 0;
    do {
      step = await this.advance(project_id, session_id);
      batches += 1;
    } while (step.advanced && !step.caughtUp && batches < MAX_BATCHES);
    return step.caughtUp;
  }

  /** Projects the next batch of events, wholly or not at all. */
  async advance(project_id: string, session_id: string): Promise<ProjectionStep> {
    const session = { project_id, session_id };
    const saved = await this.repository.findProjection(session);
    const { batch, from } = await this.readOn(session, saved);
    if (batch.events.length === 0) return { caughtUp: from.position >= batch.tail, advanced: false };

    const { generation } = batch;
    const { records, state } = project(from, batch.events);
    const redacted = records.map((record) => this.redactor.redact(record));
    try {
      await this.unitOfWork.run(async (tx) => {
        const isMine = await this.repository.moveProjection(tx, session, saved, { generation, ...state });
        if (!isMine) throw new AnotherWorkerWasFirst();
        await this.repository.insertRecords(tx, session, generation, redacted);
        const isMarked = await this.progress.advance(tx, session, generation, from.position, state.position);
        if (!isMarked) throw new AnotherWorkerWasFirst();
      });
    } catch (error) {
      if (error instanceof AnotherWorkerWasFirst) return { caughtUp: false, advanced: false };
      throw error;
    }
    return { caughtUp: state.position >= batch.tail, advanced: true };
  }

  /** The next events and where they go on: a log that was made again is projected from its start. */
  private async readOn(
    session: SessionKey,
    saved: SavedProjection | undefined,
  ): Promise<{ batch: EventBatch; from: Projection }> {
    const batch = await this.eventSource.read(session, saved?.position ?? 0, BATCH_EVENTS);
    if (!saved) return { batch, from: startOfLog() };
    if (saved.generation === batch.generation) return { batch, from: saved };
    return { batch: await this.eventSource.read(session, 0, BATCH_EVENTS), from: startOfLog() };
  }
}

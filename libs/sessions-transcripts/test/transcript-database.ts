import { randomUUID } from 'node:crypto';
import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { sessionsTranscriptsPersistence } from '../src/persistence.js';
import { Redactor } from '../src/redaction/redactor.js';
import { SessionRecordsRepository } from '../src/session-records.repository.js';
import { TranscriptProjector, type ProjectionStep } from '../src/transcript-projector.service.js';
import { conversation } from './session-events.js';
import { TestLog } from './test-log.js';

/** A PostgreSQL with this domain's tables, for one test file. */
export class TranscriptDatabase {
  private constructor(
    readonly unitOfWork: UnitOfWork,
    readonly repository: SessionRecordsRepository,
    readonly close: () => Promise<void>,
  ) {}

  static async open(): Promise<TranscriptDatabase> {
    const postgres = await testPostgres([sessionsTranscriptsPersistence]);
    const config = { url: postgres.url, poolSize: 10, applicationName: 'sessions-transcripts-test' };
    const dataSource = await createDataSource(config, []).initialize();
    const unitOfWork = new UnitOfWork(dataSource);
    await TestLog.createTable(unitOfWork);
    return new TranscriptDatabase(unitOfWork, new SessionRecordsRepository(unitOfWork), async () => {
      await dataSource.destroy();
      await postgres.drop();
    });
  }

  /** The log of a session of a new project. */
  async aLog(events: unknown[] = conversation): Promise<TestLog> {
    const log = new TestLog({ project_id: randomUUID(), session_id: 'chat' });
    await log.create(this.unitOfWork);
    log.append(...events);
    return log;
  }

  /** A projector of one log, where a test may put something else behind its ports. */
  projectorOf(
    log: TestLog,
    eventSource: Pick<TestLog, 'read'> = log,
    progress: Pick<TestLog, 'advance'> = log,
  ): TranscriptProjector {
    return new TranscriptProjector(this.unitOfWork, this.repository, eventSource, progress, new Redactor([]));
  }

  /** Projects a log to its tail. */
  catchUp(log: TestLog, projector = this.projectorOf(log)): Promise<boolean> {
    return projector.projectUntilCaughtUp(log.session.project_id, log.session.session_id);
  }

  /** Projects one batch of a log. */
  advance(log: TestLog, projector = this.projectorOf(log)): Promise<ProjectionStep> {
    return projector.advance(log.session.project_id, log.session.session_id);
  }
}

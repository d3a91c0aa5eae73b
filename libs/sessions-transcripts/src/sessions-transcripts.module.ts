import { Module, type DynamicModule, type ModuleMetadata, type Type } from '@nestjs/common';
import { EventSource } from './ports/event-source.port.js';
import { LogTail } from './ports/log-tail.port.js';
import { ProjectionProgress } from './ports/projection-progress.port.js';
import { SessionRecordsRepository } from './session-records.repository.js';
import { SessionsTranscriptsReader } from './sessions-transcripts.reader.js';
import { TranscriptProjector } from './transcript-projector.service.js';

/** What answers the needs of this domain; made here, with what `imports` export. */
export interface TranscriptPorts {
  eventSource: Type<EventSource>;
  projectionProgress: Type<ProjectionProgress>;
  logTail: Type<LogTail>;
}

/** Transcripts: finished records, projected from the logs of sessions. */
@Module({})
export class SessionsTranscriptsModule {
  static register({ imports, ports }: { imports: ModuleMetadata['imports']; ports: TranscriptPorts }): DynamicModule {
    return {
      module: SessionsTranscriptsModule,
      imports,
      providers: [
        { provide: EventSource, useClass: ports.eventSource },
        { provide: ProjectionProgress, useClass: ports.projectionProgress },
        { provide: LogTail, useClass: ports.logTail },
        SessionRecordsRepository,
        TranscriptProjector,
        SessionsTranscriptsReader,
      ],
      exports: [TranscriptProjector, SessionsTranscriptsReader],
    };
  }
}

import { Module, type DynamicModule, type ModuleMetadata, type Type } from '@nestjs/common';
import { NativeBlobsReader } from './native/native-blobs.reader.js';
import { NativeContent } from './native/native-content.js';
import { NativeConversationsRepository } from './native/native-conversations.repository.js';
import { NativeRemovalRepository } from './native/native-removal.repository.js';
import { NativeSavesRepository } from './native/native-saves.repository.js';
import { NativeSavesService } from './native/native-saves.service.js';
import { NativeSweeper } from './native/native-sweeper.service.js';
import { NativeTranscriptsConfig } from './native/native-transcripts.config.js';
import { NativeTranscriptsReader } from './native/native-transcripts.reader.js';
import { EventSource } from './ports/event-source.port.js';
import { LogTail } from './ports/log-tail.port.js';
import { ProjectionProgress } from './ports/projection-progress.port.js';
import type { RedactionRule } from './redaction/redaction-rule.js';
import { Redactor } from './redaction/redactor.js';
import { SessionRecordsRepository } from './session-records.repository.js';
import { SessionsTranscriptsReader } from './sessions-transcripts.reader.js';
import { TranscriptProjector } from './transcript-projector.service.js';
import { TranscriptRemoval } from './transcript-removal.service.js';

/** What answers the needs of this domain; made here, with what `imports` export. */
export interface TranscriptPorts {
  eventSource: Type<EventSource>;
  projectionProgress: Type<ProjectionProgress>;
  logTail: Type<LogTail>;
}

/** Transcripts: finished records, projected from the logs of sessions, and the files of the harnesses themselves. */
@Module({})
export class SessionsTranscriptsModule {
  static register({
    imports,
    ports,
    native,
    redactionRules,
  }: {
    imports: ModuleMetadata['imports'];
    ports: TranscriptPorts;
    native: NativeTranscriptsConfig;
    redactionRules: readonly RedactionRule[];
  }): DynamicModule {
    return {
      module: SessionsTranscriptsModule,
      imports,
      providers: [
        { provide: EventSource, useClass: ports.eventSource },
        { provide: ProjectionProgress, useClass: ports.projectionProgress },
        { provide: LogTail, useClass: ports.logTail },
        { provide: Redactor, useFactory: () => new Redactor(redactionRules) },
        SessionRecordsRepository,
        TranscriptProjector,
        SessionsTranscriptsReader,
        { provide: NativeTranscriptsConfig, useValue: native },
        NativeConversationsRepository,
        NativeSavesRepository,
        NativeSavesService,
        NativeTranscriptsReader,
        NativeBlobsReader,
        NativeContent,
        NativeSweeper,
        NativeRemovalRepository,
        TranscriptRemoval,
      ],
      exports: [
        TranscriptProjector,
        SessionsTranscriptsReader,
        NativeSavesService,
        NativeTranscriptsReader,
        NativeContent,
        NativeSweeper,
        TranscriptRemoval,
      ],
    };
  }
}

import { Module, type DynamicModule } from '@nestjs/common';
import { RunnerReplicasRepository } from './control/runner-replicas.repository.js';
import { SessionStreamsReader } from './control/session-streams.reader.js';
import { SessionTurnsRepository } from './control/session-turns.repository.js';
import { SessionTurnsService } from './control/session-turns.service.js';
import { TurnBeatsService } from './control/turn-beats.service.js';
import { TurnClaimsService } from './control/turn-claims.service.js';
import { AppendQueue } from './log/append-queue.js';
import { LogMoves } from './log/log-moves.js';
import { LogReader } from './log/log-reader.js';
import { LogRepository } from './log/log.repository.js';
import { LogService } from './log/log.service.js';
import { LogViewer } from './log/log-viewer.js';
import { LogWriter } from './log/log-writer.js';
import { StreamsConfig } from './streams.config.js';

const exported = [
  LogService,
  LogReader,
  LogRepository,
  LogViewer,
  SessionTurnsService,
  SessionTurnsRepository,
  TurnClaimsService,
  TurnBeatsService,
  SessionStreamsReader,
  StreamsConfig,
];

/** The log of a session, and who runs it. */
@Module({})
export class SessionsStreamsModule {
  static forRoot(config: StreamsConfig): DynamicModule {
    return {
      module: SessionsStreamsModule,
      providers: [
        { provide: StreamsConfig, useValue: config },
        LogRepository,
        LogWriter,
        LogMoves,
        AppendQueue,
        LogService,
        LogReader,
        LogViewer,
        SessionTurnsRepository,
        RunnerReplicasRepository,
        SessionTurnsService,
        TurnClaimsService,
        TurnBeatsService,
        SessionStreamsReader,
      ],
      exports: exported,
    };
  }
}

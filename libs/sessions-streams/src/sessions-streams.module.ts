import { Module, type DynamicModule } from '@nestjs/common';
import { RunnerReplicasRepository } from './control/runner-replicas.repository.js';
import { SessionStreamsReader } from './control/session-streams.reader.js';
import { SessionTurnsRepository } from './control/session-turns.repository.js';
import { SessionTurnsService } from './control/session-turns.service.js';
import { TurnBeatsService } from './control/turn-beats.service.js';
import { TurnClaimsService } from './control/turn-claims.service.js';
import { SessionLogService } from './log/session-log.service.js';
import { StreamsConfig } from './streams.config.js';

const exported = [
  SessionLogService,
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
        SessionLogService,
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

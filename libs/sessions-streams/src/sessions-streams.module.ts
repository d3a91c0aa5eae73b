import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { RunnerCommandsReader } from './control/runner-commands.reader.js';
import { RunnerReplicasRepository } from './control/runner-replicas.repository.js';
import { SessionInboxRepository } from './control/session-inbox.repository.js';
import { SessionInboxService } from './control/session-inbox.service.js';
import { SessionStreamsReader } from './control/session-streams.reader.js';
import { SessionStreamsRepository } from './control/session-streams.repository.js';
import { SessionTurnsRepository } from './control/session-turns.repository.js';
import { SessionTurnsService } from './control/session-turns.service.js';
import { SessionWatchersService } from './control/session-watchers.service.js';
import { TurnBeatsService } from './control/turn-beats.service.js';
import { TurnHandOverService } from './control/turn-hand-over.service.js';
import { WaitingClaims } from './control/waiting-claims.js';
import { TurnClaimsService } from './control/turn-claims.service.js';
import { TurnLeasesRepository } from './control/turn-leases.repository.js';
import { TurnLine } from './control/turn-line.js';
import { TurnSlotsRepository } from './control/turn-slots.repository.js';
import { TurnTakeoverService } from './control/turn-takeover.service.js';
import { SessionLogService } from './log/session-log.service.js';
import { SavedConversations } from './ports/saved-conversations.port.js';
import { TurnMilestones } from './ports/turn-milestones.port.js';
import { StreamsConfig } from './streams.config.js';

const exported = [
  SessionLogService,
  SessionInboxService,
  SessionWatchersService,
  SessionTurnsService,
  SessionTurnsRepository,
  TurnClaimsService,
  TurnBeatsService,
  TurnLeasesRepository,
  TurnTakeoverService,
  TurnHandOverService,
  RunnerCommandsReader,
  SessionStreamsReader,
  StreamsConfig,
  TurnMilestones,
];

/** What answers the needs of this domain. */
export interface StreamsPorts {
  turnMilestones: Type<TurnMilestones>;
  savedConversations: Type<SavedConversations>;
}

/** The log of a session, and who runs it. */
@Module({})
export class SessionsStreamsModule {
  static forRoot(config: StreamsConfig, ports: StreamsPorts): DynamicModule {
    return {
      module: SessionsStreamsModule,
      providers: [
        { provide: StreamsConfig, useValue: config },
        { provide: TurnMilestones, useClass: ports.turnMilestones },
        { provide: SavedConversations, useClass: ports.savedConversations },
        SessionLogService,
        SessionTurnsRepository,
        SessionStreamsRepository,
        SessionInboxRepository,
        TurnSlotsRepository,
        TurnLeasesRepository,
        RunnerReplicasRepository,
        SessionWatchersService,
        SessionTurnsService,
        SessionInboxService,
        TurnClaimsService,
        TurnBeatsService,
        TurnLine,
        TurnTakeoverService,
        TurnHandOverService,
        WaitingClaims,
        RunnerCommandsReader,
        SessionStreamsReader,
      ],
      exports: exported,
    };
  }
}

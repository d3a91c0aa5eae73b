import { Module, type DynamicModule, type ModuleMetadata, type Type } from '@nestjs/common';
import { InteractionLog } from './ports/interaction-log.port.js';
import { LiveTurns } from './ports/live-turns.port.js';
import { TurnControl } from './ports/turn-control.port.js';
import { SessionInteractionsReader } from './session-interactions.reader.js';
import { SessionInteractionsRepository } from './session-interactions.repository.js';
import { SessionInteractionsService } from './session-interactions.service.js';

/** What answers the needs of this domain; made here, with what `imports` export. */
export interface InteractionPorts {
  interactionLog: Type<InteractionLog>;
  turnControl: Type<TurnControl>;
  liveTurns: Type<LiveTurns>;
}

/** Questions that agents ask and others answer. */
@Module({})
export class SessionsInteractionsModule {
  static register({ imports, ports }: { imports: ModuleMetadata['imports']; ports: InteractionPorts }): DynamicModule {
    return {
      module: SessionsInteractionsModule,
      imports,
      providers: [
        { provide: InteractionLog, useClass: ports.interactionLog },
        { provide: TurnControl, useClass: ports.turnControl },
        { provide: LiveTurns, useClass: ports.liveTurns },
        SessionInteractionsRepository,
        SessionInteractionsService,
        SessionInteractionsReader,
      ],
      exports: [SessionInteractionsService, SessionInteractionsReader],
    };
  }
}

import { Module, type DynamicModule, type ModuleMetadata, type Type } from '@nestjs/common';
import { DeliveredTurns } from './ports/delivered-turns.port.js';
import { TriggerDeliveriesReader } from './trigger-deliveries.reader.js';
import { TriggerDeliveriesRepository } from './trigger-deliveries.repository.js';
import { TriggerDeliveriesService } from './trigger-deliveries.service.js';

/** What answers the needs of this domain; made here, with what `imports` export. */
export interface TriggerPorts {
  deliveredTurns: Type<DeliveredTurns>;
}

/** Turns that start with nobody watching, and what becomes of them. */
@Module({})
export class SessionsTriggersModule {
  static register({ imports, ports }: { imports: ModuleMetadata['imports']; ports: TriggerPorts }): DynamicModule {
    return {
      module: SessionsTriggersModule,
      imports,
      providers: [
        { provide: DeliveredTurns, useClass: ports.deliveredTurns },
        TriggerDeliveriesRepository,
        TriggerDeliveriesService,
        TriggerDeliveriesReader,
      ],
      exports: [TriggerDeliveriesService, TriggerDeliveriesReader],
    };
  }
}

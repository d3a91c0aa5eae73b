import { Module, type DynamicModule } from '@nestjs/common';
import { AgentsConfig } from './agents.config.js';
import { AgentsReader } from './agents.reader.js';
import { AgentsRepository } from './agents.repository.js';
import { AgentsService } from './agents.service.js';

/** What a turn can run. */
@Module({})
export class AgentsModule {
  static forRoot(config: AgentsConfig): DynamicModule {
    return {
      module: AgentsModule,
      providers: [{ provide: AgentsConfig, useValue: config }, AgentsRepository, AgentsService, AgentsReader],
      exports: [AgentsService, AgentsReader],
    };
  }
}

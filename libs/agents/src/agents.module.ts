import { Module } from '@nestjs/common';
import { AgentsReader } from './agents.reader.js';
import { AgentsRepository } from './agents.repository.js';
import { AgentsService } from './agents.service.js';

/** What a turn can run. */
@Module({
  providers: [AgentsRepository, AgentsService, AgentsReader],
  exports: [AgentsService, AgentsReader],
})
export class AgentsModule {}

import { Module } from '@nestjs/common';
import { SessionsDirectoryReader } from './sessions-directory.reader.js';
import { SessionsDirectoryService } from './sessions-directory.service.js';
import { SessionsRepository } from './sessions.repository.js';

/** Who exists: the header of every session. */
@Module({
  providers: [SessionsRepository, SessionsDirectoryService, SessionsDirectoryReader],
  exports: [SessionsDirectoryService, SessionsDirectoryReader],
})
export class SessionsDirectoryModule {}

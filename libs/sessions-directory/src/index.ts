export { SessionCreate, SessionPath } from './dto/session-create.dto.js';
export { SessionPage, SessionQuery } from './dto/session-query.dto.js';
export { Session } from './dto/session.dto.js';
export { sessionsDirectoryPersistence } from './persistence.js';
export { SessionsDirectoryModule } from './sessions-directory.module.js';
export { SessionsDirectoryReader } from './sessions-directory.reader.js';
export { SessionsDirectoryService } from './sessions-directory.service.js';
export type { EnsuredSession } from './sessions-directory.service.js';

import type { Persistence } from '@holdfast/platform-postgres';
import { SessionEntity } from './entities/session.entity.js';
import { CreateSessions1794000003000 } from './migrations/1794000003000-create-sessions.js';
import { ArchiveSessions1794000003100 } from './migrations/1794000003100-archive-sessions.js';
import { ListArchivedSessions1794000003200 } from './migrations/1794000003200-list-archived-sessions.js';

export const sessionsDirectoryPersistence: Persistence = {
  entities: [SessionEntity],
  migrations: [CreateSessions1794000003000, ArchiveSessions1794000003100, ListArchivedSessions1794000003200],
};

import type { Persistence } from '@holdfast/platform-postgres';
import { SessionEntity } from './entities/session.entity.js';
import { CreateSessions1794000003000 } from './migrations/1794000003000-create-sessions.js';

export const sessionsDirectoryPersistence: Persistence = {
  entities: [SessionEntity],
  migrations: [CreateSessions1794000003000],
};

import type { Persistence } from '@holdfast/platform-postgres';
import { ApiKeyEntity } from './entities/api-key.entity.js';
import { ProjectEntity } from './entities/project.entity.js';
import { CreateAuthTables1794000001000 } from './migrations/1794000001000-create-auth-tables.js';
import { AddProjectSettings1794000001200 } from './migrations/1794000001200-add-project-settings.js';
import { CreatePrivateSessions1794000001300 } from './migrations/1794000001300-create-private-sessions.js';
import { CreateTurnCredentialKeys1794000001100 } from './migrations/1794000001100-create-turn-credential-keys.js';

export const authPersistence: Persistence = {
  entities: [ProjectEntity, ApiKeyEntity],
  migrations: [
    CreateAuthTables1794000001000,
    CreateTurnCredentialKeys1794000001100,
    AddProjectSettings1794000001200,
    CreatePrivateSessions1794000001300,
  ],
};

import type { Persistence } from '@holdfast/platform-postgres';
import { CreateInteractions1794000020000 } from './migrations/1794000020000-create-interactions.js';

export const sessionsInteractionsPersistence: Persistence = {
  entities: [],
  migrations: [CreateInteractions1794000020000],
};

import type { Persistence } from '@holdfast/platform-postgres';
import { CreateTasks1794000060000 } from './migrations/1794000060000-create-tasks.js';
import { CreateShares1794000062000 } from './migrations/1794000062000-create-shares.js';
import { CreateSessionVisits1794000063000 } from './migrations/1794000063000-create-session-visits.js';
import { IndexWhatIsOver1794000064000 } from './migrations/1794000064000-index-what-is-over.js';

export const sessionsSharingPersistence: Persistence = {
  entities: [],
  migrations: [
    CreateTasks1794000060000,
    CreateShares1794000062000,
    CreateSessionVisits1794000063000,
    IndexWhatIsOver1794000064000,
  ],
};

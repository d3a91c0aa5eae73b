import type { Persistence } from '@holdfast/platform-postgres';
import { CreateLogs1794000005000 } from './migrations/1794000005000-create-logs.js';
import { CreateLogSubscriptions1794000006000 } from './migrations/1794000006000-create-log-subscriptions.js';
import { CreateLogGarbage1794000007000 } from './migrations/1794000007000-create-log-garbage.js';
import { AddLogLineageGenerations1794000008000 } from './migrations/1794000008000-add-log-lineage-generations.js';
import { UnlistLogs1794000065000 } from './migrations/1794000065000-unlist-logs.js';

export const durableStreamsPersistence: Persistence = {
  entities: [],
  migrations: [
    CreateLogs1794000005000,
    CreateLogSubscriptions1794000006000,
    CreateLogGarbage1794000007000,
    AddLogLineageGenerations1794000008000,
    UnlistLogs1794000065000,
  ],
};

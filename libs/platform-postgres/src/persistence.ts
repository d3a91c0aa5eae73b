import type { Persistence } from './data-source.js';
import { CreatePlatformTables1794000000000 } from './migrations/1794000000000-create-platform-tables.js';
import { RememberRefusals1794000050000 } from './migrations/1794000050000-remember-refusals.js';
import { MarkDeletedFences1794000050500 } from './migrations/1794000050500-mark-deleted-fences.js';

export const platformPersistence: Persistence = {
  entities: [],
  migrations: [CreatePlatformTables1794000000000, RememberRefusals1794000050000, MarkDeletedFences1794000050500],
};

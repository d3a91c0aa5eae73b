import type { Persistence } from '@holdfast/platform-postgres';
import { CreateTriggerDeliveries1794000040000 } from './migrations/1794000040000-create-trigger-deliveries.js';
import { FindOldDeliveries1794000052000 } from './migrations/1794000052000-find-old-deliveries.js';

export const sessionsTriggersPersistence: Persistence = {
  entities: [],
  migrations: [CreateTriggerDeliveries1794000040000, FindOldDeliveries1794000052000],
};

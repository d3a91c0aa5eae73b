import type { Persistence } from '@holdfast/platform-postgres';
import { CreateTurns1794000010000 } from './migrations/1794000010000-create-turns.js';

export const sessionsStreamsPersistence: Persistence = { entities: [], migrations: [CreateTurns1794000010000] };

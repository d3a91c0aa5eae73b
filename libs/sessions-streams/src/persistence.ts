import type { Persistence } from '@holdfast/platform-postgres';
import { CreateLogAndTurns1794000010000 } from './migrations/1794000010000-create-log-and-turns.js';

export const sessionsStreamsPersistence: Persistence = { entities: [], migrations: [CreateLogAndTurns1794000010000] };

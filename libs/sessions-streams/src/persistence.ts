import type { Persistence } from '@holdfast/platform-postgres';
import { CreateTurns1794000010000 } from './migrations/1794000010000-create-turns.js';
import { ExtendTurns1794000011000 } from './migrations/1794000011000-extend-turns.js';
import { TuneLeases1794000012000 } from './migrations/1794000012000-tune-leases.js';
import { AddFreshStart1794000014000 } from './migrations/1794000014000-add-fresh-start.js';
import { RecordDrives1794000015000 } from './migrations/1794000015000-record-drives.js';
import { AddPrivatePools1794000016000 } from './migrations/1794000016000-add-private-pools.js';
import { NameClaims1794000051000 } from './migrations/1794000051000-name-claims.js';

export const sessionsStreamsPersistence: Persistence = {
  entities: [],
  migrations: [
    CreateTurns1794000010000,
    ExtendTurns1794000011000,
    TuneLeases1794000012000,
    AddFreshStart1794000014000,
    RecordDrives1794000015000,
    AddPrivatePools1794000016000,
    NameClaims1794000051000,
  ],
};

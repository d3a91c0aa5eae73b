import type { Persistence } from '@holdfast/platform-postgres';
import { CreateTranscripts1794000030000 } from './migrations/1794000030000-create-transcripts.js';
import { CreateNativeTranscripts1794000031000 } from './migrations/1794000031000-create-native-transcripts.js';
import { FindNativeReferences1794000032000 } from './migrations/1794000032000-find-native-references.js';

export const sessionsTranscriptsPersistence: Persistence = {
  entities: [],
  migrations: [CreateTranscripts1794000030000, CreateNativeTranscripts1794000031000, FindNativeReferences1794000032000],
};

import { agentsPersistence } from '@holdfast/agents';
import { authPersistence } from '@holdfast/platform-auth';
import { platformPersistence, type Persistence } from '@holdfast/platform-postgres';
import { sessionsDirectoryPersistence } from '@holdfast/sessions-directory';
import { sessionsInteractionsPersistence } from '@holdfast/sessions-interactions';
import { durableStreamsPersistence } from '@holdfast/durable-streams';
import { sessionsSharingPersistence } from '@holdfast/sessions-sharing';
import { sessionsStreamsPersistence } from '@holdfast/sessions-streams';
import { sessionsTranscriptsPersistence } from '@holdfast/sessions-transcripts';
import { sessionsTriggersPersistence } from '@holdfast/sessions-triggers';

/** Everything that is kept in PostgreSQL, for the data source and for `migrate`. */
export const persistence: Persistence[] = [
  platformPersistence,
  authPersistence,
  agentsPersistence,
  sessionsDirectoryPersistence,
  durableStreamsPersistence,
  sessionsStreamsPersistence,
  sessionsInteractionsPersistence,
  sessionsTranscriptsPersistence,
  sessionsTriggersPersistence,
  sessionsSharingPersistence,
];

import { IsInt, IsUUID } from 'class-validator';
import { IsSessionId } from '@holdfast/platform-postgres';
import { defineJob } from '@holdfast/platform-queue';

/** Names the session whose log has grown; the project comes with the job. */
export class ProjectSessionTranscript {
  @IsSessionId()
  session_id!: string;
}

/** Names a session that was deleted, and the generation of it that ended. */
export class RemoveSessionRecords {
  @IsSessionId()
  session_id!: string;

  @IsInt()
  generation!: number;
}

/** Names native conversations that are gone, whose content is still to be removed. */
export class RemoveNativeConversations {
  @IsUUID(undefined, { each: true })
  conversation_ids!: string[];
}

/**
 * The jobs of this domain. To project is a hint: the work is whatever log is longer than its projection. To remove is not:
 * without its job, what a deleted session leaves is found by nobody.
 */
export const sessionsTranscriptsJobs = {
  projectSessionTranscript: defineJob({
    name: 'project-session-transcript',
    queue: 'session-transcripts',
    payload: ProjectSessionTranscript,
  }),
  removeSessionRecords: defineJob({
    name: 'remove-session-records',
    queue: 'session-transcripts',
    payload: RemoveSessionRecords,
  }),
  removeNativeConversations: defineJob({
    name: 'remove-native-conversations',
    queue: 'session-transcripts',
    payload: RemoveNativeConversations,
  }),
};

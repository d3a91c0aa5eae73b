import { IsSessionId } from '@holdfast/platform-postgres';
import { defineJob } from '@holdfast/platform-queue';

/** Names the session whose log has grown; the project comes with the job. */
export class ProjectSessionTranscript {
  @IsSessionId()
  session_id!: string;
}

/** The jobs of this domain. Each is a hint: the work is whatever log is longer than its projection. */
export const sessionsTranscriptsJobs = {
  projectSessionTranscript: defineJob({
    name: 'project-session-transcript',
    queue: 'session-transcripts',
    payload: ProjectSessionTranscript,
  }),
};

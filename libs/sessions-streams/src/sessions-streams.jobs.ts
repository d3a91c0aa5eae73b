import { IsUUID } from 'class-validator';
import { IsSessionId } from '@holdfast/platform-postgres';
import { defineJob } from '@holdfast/platform-queue';

/** Names a turn; the project comes with the job. */
export class StartPushTurn {
  @IsSessionId()
  session_id!: string;

  @IsUUID()
  turn_id!: string;
}

/** The jobs of this domain. */
export const sessionsStreamsJobs = {
  startPushTurn: defineJob({ name: 'start-push-turn', queue: 'push-turns', payload: StartPushTurn }),
};

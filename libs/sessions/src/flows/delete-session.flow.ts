import { Injectable } from '@nestjs/common';
import { PrivateSessions, type Principal } from '@holdfast/platform-auth';
import {
  IdempotencyKeys,
  SessionFences,
  SessionNotFound,
  type SessionKey,
  type Transaction,
} from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { SessionsDirectoryService, type SessionDeleted } from '@holdfast/sessions-directory';
import { SessionInteractionsService } from '@holdfast/sessions-interactions';
import { SessionSharingRemoval, TasksService } from '@holdfast/sessions-sharing';
import { SessionTurnsService } from '@holdfast/sessions-streams';
import { sessionsTranscriptsJobs, TranscriptRemoval } from '@holdfast/sessions-transcripts';
import { TriggerDeliveriesService } from '@holdfast/sessions-triggers';
import { EndHost } from './end-host.js';
import { cancelledBecause } from './end-turn.flow.js';
import { StopSession } from './stop-session.js';

const DELETED = cancelledBecause('deleted');

/** Conversations that one job removes. */
const CONVERSATIONS_PER_JOB = 100;

/**
 * Deletes a session from every domain that keeps something of it, in one transaction: after its commit nobody finds
 * anything. What is too much for one transaction is removed by jobs, row by row.
 *
 * The directory keeps the row, with its generation, and the fence its epoch, which moves: so a runner that is late brings
 * nothing back, and a session that is made again under the id is another one.
 */
@Injectable()
export class DeleteSessionFlow {
  constructor(
    private readonly idempotency: IdempotencyKeys,
    private readonly fences: SessionFences,
    private readonly stop: StopSession,
    private readonly endHost: EndHost,
    private readonly directory: SessionsDirectoryService,
    private readonly turns: SessionTurnsService,
    private readonly interactions: SessionInteractionsService,
    private readonly transcripts: TranscriptRemoval,
    private readonly deliveries: TriggerDeliveriesService,
    private readonly tasks: TasksService,
    private readonly sharing: SessionSharingRemoval,
    private readonly privacy: PrivateSessions,
    private readonly jobs: Jobs,
  ) {}

  /** Repeated under its key it deletes nothing that was made since. Errors: session_not_found, idempotency_key_reused. */
  run({ project_id, key_id }: Principal, session_id: string, key?: string): Promise<SessionDeleted> {
    const request = { project_id, operation: 'delete_session', key, request: { session_id } };
    return this.idempotency.once(request, (tx) => this.within(tx, { project_id, session_id }, key_id));
  }

  private async within(tx: Transaction, session: SessionKey, by_id: string): Promise<SessionDeleted> {
    const { session_id } = session;
    if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id });
    // It may have been made, by somebody else and for themselves, since the request was let in.
    const owner_id = await this.privacy.ownerOf(tx, session);
    if (owner_id !== undefined && owner_id !== by_id) throw SessionNotFound({ session_id });
    await this.endHost.within(tx, session, 'deleted');
    const stopped = await this.stop.within(tx, session, DELETED);
    await this.fences.close(tx, session);

    await this.tasks.deleteSession(tx, session);
    await this.sharing.deleteSession(tx, session);
    await this.privacy.remove(tx, session);
    const generation = await this.directory.delete(tx, session, by_id);
    await this.turns.deleteSession(tx, session, by_id);
    await this.interactions.deleteSession(tx, session);
    // After the turns: whoever notes what became of one has it locked.
    await this.deliveries.deleteSession(tx, session);
    const { conversation_ids } = await this.transcripts.deleteSession(tx, session);
    await this.removeLater(tx, session, generation, conversation_ids);
    return { session_id, ...stopped };
  }

  private async removeLater(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    generation: number,
    conversation_ids: string[],
  ): Promise<void> {
    const { removeSessionRecords, removeNativeConversations } = sessionsTranscriptsJobs;
    await this.jobs.enqueue(tx, removeSessionRecords, project_id, { session_id, generation });
    for (let from = 0; from < conversation_ids.length; from += CONVERSATIONS_PER_JOB) {
      const some = { conversation_ids: conversation_ids.slice(from, from + CONVERSATIONS_PER_JOB) };
      await this.jobs.enqueue(tx, removeNativeConversations, project_id, some);
    }
  }
}

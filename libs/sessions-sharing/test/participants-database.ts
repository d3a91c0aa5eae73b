import { randomUUID } from 'node:crypto';
import {
  authPersistence,
  mintShareToken,
  type KeyPrincipal,
  type Permission,
  type ShareRole,
  type ShareScope,
} from '@holdfast/platform-auth';
import {
  createDataSource,
  platformPersistence,
  UnitOfWork,
  type SessionKey,
  type Transaction,
  SessionFences,
} from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { SessionJoinCreate } from '../src/participants/dto/session-join.dto.js';
import { JoinSession } from '../src/participants/join-session.service.js';
import { JoinedSharesRepository } from '../src/participants/joined-shares.repository.js';
import { JoinedTasksReader } from '../src/participants/joined-tasks.reader.js';
import { ParticipantEvents } from '../src/participants/participant-events.js';
import { ParticipantPresence } from '../src/participants/participant-presence.js';
import { ParticipantsOfShare } from '../src/participants/participants-of-share.js';
import { ParticipantsSweeper } from '../src/participants/participants-sweeper.js';
import { ParticipantsReader } from '../src/participants/participants.reader.js';
import { ParticipantsRepository } from '../src/participants/participants.repository.js';
import { ParticipantsService } from '../src/participants/participants.service.js';
import { RoleRequestsRepository } from '../src/participants/role-requests.repository.js';
import { RoleRequests } from '../src/participants/role-requests.service.js';
import { sessionsSharingPersistence } from '../src/persistence.js';
import { JoinedSessions, type JoinedSession } from '../src/ports/joined-sessions.port.js';
import { SharingLog, type SharingEvent } from '../src/ports/sharing-log.port.js';
import { ShareChanges } from '../src/shares/share-changes.js';
import { ShareGrants } from '../src/shares/share-grants.js';
import { ShareReach } from '../src/shares/share-reach.js';
import { SharesRepository } from '../src/shares/shares.repository.js';
import { TaskViews } from '../src/tasks/task-view.js';
import { TasksReader } from '../src/tasks/tasks.reader.js';
import { TasksRepository } from '../src/tasks/tasks.repository.js';

/** What the session's viewers were told, in the commit of the fact. */
class RecordingLog extends SharingLog {
  append(tx: Transaction, { project_id, session_id }: SessionKey, { type, data }: SharingEvent): void {
    tx.lastly(async () => {
      await tx.query(`INSERT INTO test_events (project_id, session_id, type, data) VALUES ($1, $2, $3, $4)`, [
        project_id,
        session_id,
        type,
        JSON.stringify(data),
      ]);
    });
  }
}

const IDLE: JoinedSession = {
  name: null,
  created_at: new Date(0).toISOString(),
  offset: '0000000000000001_0000000000000000',
  tail_offset: '0000000000000001_0000000000000001',
  status: 'idle',
  alive: false,
  turn_id: null,
  ended_reason: null,
};

class IdleSessions extends JoinedSessions {
  async fetch(): Promise<JoinedSession> {
    return IDLE;
  }
}

/** Participants, with shares and tasks as they are, on a database of their own. */
export async function openParticipants() {
  const postgres = await testPostgres([platformPersistence, authPersistence, sessionsSharingPersistence]);
  const config = { url: postgres.url, poolSize: 20, applicationName: 'sessions-sharing-test' };
  const dataSource = await createDataSource(config, []).initialize();
  const unitOfWork = new UnitOfWork(dataSource);
  await unitOfWork.query(
    `CREATE TABLE test_events (seq bigserial, project_id uuid, session_id text, type text, data jsonb)`,
  );
  // Callers that have to connect first would come one after the other instead of racing.
  await Promise.all(Array.from({ length: 20 }, () => unitOfWork.query('SELECT 1')));

  const noSignals = { publish: () => {}, subscribe: async () => async () => {}, onGap: () => () => {} };
  const changes = new ShareChanges(noSignals);
  const shares = new SharesRepository(unitOfWork);
  const fences = new SessionFences();
  const grants = new ShareGrants(shares, changes);
  const access = new ShareReach(unitOfWork);
  const tasks = new TasksRepository(unitOfWork);
  const tasksReader = new TasksReader(tasks, { placeOf: async () => null } as never, new TaskViews(tasks), access);
  const rows = new ParticipantsRepository(unitOfWork);
  const requestRows = new RoleRequestsRepository(unitOfWork);
  const events = new ParticipantEvents(new RecordingLog());
  const joinedShares = new JoinedSharesRepository();
  const requests = new RoleRequests(unitOfWork, access, rows, requestRows, joinedShares, events, changes);
  const service = new ParticipantsService(unitOfWork, rows, events, requests);
  const joins = new JoinSession(
    unitOfWork,
    access,
    rows,
    joinedShares,
    events,
    { hold: async () => {} },
    new IdleSessions(),
    new JoinedTasksReader(unitOfWork, tasks, tasksReader),
  );

  const join = (token: string, ask: Partial<SessionJoinCreate> = {}) =>
    grants.authenticate(token).then((principal) => joins.join(principal, Object.assign(new SessionJoinCreate(), ask)));

  return {
    unitOfWork,
    service,
    requests,
    rows,
    reader: new ParticipantsReader(access, rows, requestRows, shares),
    presence: new ParticipantPresence(rows),
    ofShare: new ParticipantsOfShare(rows, events, requests),
    sweeper: new ParticipantsSweeper(unitOfWork, rows, service),
    join,

    /** Joins with a link, and who that is from then on. */
    async joined(token: string, ask: Partial<SessionJoinCreate> = {}) {
      const answer = await join(token, ask);
      return { ...answer, token: answer.participant_token!, me: await grants.authenticate(answer.participant_token!) };
    },

    /** Who a token stands for now. */
    principalOf: (token: string) => grants.authenticate(token),
    joinWithKey: (key: KeyPrincipal, ask: Partial<SessionJoinCreate>) =>
      joins.join(key, Object.assign(new SessionJoinCreate(), ask)),

    aKey: (project_id: string, ...permissions: Permission[]): KeyPrincipal => ({
      project_id,
      key_id: randomUUID(),
      kind: 'user',
      permissions,
    }),

    /** A live share of a session of a project of its own, or of the one that is named. */
    async aShare({
      project_id = randomUUID() as string,
      session_id = 'chat' as string | null,
      task_id = null as string | null,
      role = 'reader' as ShareRole,
      scope = 'session' as ShareScope,
    } = {}) {
      const minted = mintShareToken('share');
      const share_id = randomUUID();
      const created_by_id = randomUUID();
      await unitOfWork.run(async (tx) => {
        if (session_id !== null) await fences.ensure(tx, { project_id, session_id });
        await shares.insert(
          tx,
          {
            project_id,
            share_id,
            session_id: task_id === null ? session_id : null,
            task_id,
            scope,
            role,
            name: null,
            source_type: 'user',
            ambient_task_id: null,
            source_task_id: null,
            parent_share_id: null,
            created_by_id,
            expires_at: null,
            expires_in_seconds: null,
          },
          minted,
        );
      });
      return { project_id, session_id: session_id!, share_id, role, token: minted.token };
    },

    /** A task of a session, under another one of the project where that is named. */
    async aTask(project_id: string, session_id: string | null, parent_task_id: string | null = null): Promise<string> {
      const task_id = randomUUID();
      await unitOfWork.query(
        `INSERT INTO tasks (project_id, task_id, parent_task_id, root_task_id, ancestor_ids, depth, spawn_order, spawn_path,
                            location, state, session_id, source)
         SELECT $1, $2::uuid, $3::uuid, coalesce($3::uuid, $2::uuid), array_remove(ARRAY[$3::uuid], NULL), CASE WHEN $3::uuid IS NULL THEN 0 ELSE 1 END,
                CASE WHEN $3::uuid IS NULL THEN 0 ELSE 1 END, CASE WHEN $3::uuid IS NULL THEN '{}' ELSE '{1}'::int[] END,
                'remote', 'queued', $4, 'api'`,
        [project_id, task_id, parent_task_id, session_id],
      );
      return task_id;
    },

    /** In a transaction that `revoke` can be raced with. */
    revoke: (share: { project_id: string; share_id: string }) =>
      unitOfWork.run(async (tx) => {
        await shares.lock(tx, share);
        await shares.end(tx, share.project_id, share.share_id, 'revoked', null);
        changes.announce(tx, share.share_id);
      }),

    events: (project_id: string, session_id = 'chat') =>
      unitOfWork.query<{ type: string; data: { [field: string]: never } }>(
        `SELECT type, data FROM test_events WHERE project_id = $1 AND session_id = $2 ORDER BY seq`,
        [project_id, session_id],
      ),

    /** Lets so much time pass for a participant. */
    unheardOf: (participant_id: string, seconds: number) =>
      unitOfWork.query(
        `UPDATE share_participants SET last_seen_at = last_seen_at - make_interval(secs => $2) WHERE participant_id = $1`,
        [participant_id, seconds],
      ),

    async close(): Promise<void> {
      await dataSource.destroy();
      await postgres.drop();
    },
  };
}

export type OpenParticipants = Awaited<ReturnType<typeof openParticipants>>;

import { Module, type DynamicModule, type ModuleMetadata, type Type } from '@nestjs/common';
import { SessionAccess, ShareCredentials } from '@holdfast/platform-auth';
import { TaskMessages } from './messages/task-messages.service.js';
import { JoinSession } from './participants/join-session.service.js';
import { JoinedSharesRepository } from './participants/joined-shares.repository.js';
import { JoinedTasksReader } from './participants/joined-tasks.reader.js';
import { ParticipantEvents } from './participants/participant-events.js';
import { ParticipantPresence } from './participants/participant-presence.js';
import { ParticipantsOfShare } from './participants/participants-of-share.js';
import { ParticipantsSweeper } from './participants/participants-sweeper.js';
import { ParticipantsReader } from './participants/participants.reader.js';
import { ParticipantsRepository } from './participants/participants.repository.js';
import { ParticipantsService } from './participants/participants.service.js';
import { RoleRequestsRepository } from './participants/role-requests.repository.js';
import { RoleRequests } from './participants/role-requests.service.js';
import { JoinedSessions } from './ports/joined-sessions.port.js';
import { SharedSessions } from './ports/shared-sessions.port.js';
import { SharingLog } from './ports/sharing-log.port.js';
import { TaskSessions } from './ports/task-sessions.port.js';
import { SessionSharingRemoval } from './session-sharing-removal.js';
import { ShareChanges } from './shares/share-changes.js';
import { ShareEvents } from './shares/share-events.js';
import { ShareFollowers } from './shares/share-followers.js';
import { ShareGrants } from './shares/share-grants.js';
import { ShareReach } from './shares/share-reach.js';
import { SharesReader } from './shares/shares.reader.js';
import { SharesRepository } from './shares/shares.repository.js';
import { SharesService } from './shares/shares.service.js';
import { SharingRetention } from './sharing-retention.js';
import { TaskFollowers } from './tasks/task-followers.js';
import { SessionTasksModule } from './tasks/session-tasks.module.js';
import { TasksService } from './tasks/tasks.service.js';

/** What answers the needs of this domain; made here, with what `imports` export. */
export interface SharingPorts {
  sharingLog: Type<SharingLog>;
  sharedSessions: Type<SharedSessions>;
  joinedSessions: Type<JoinedSessions>;
  taskSessions: Type<TaskSessions>;
}

const shares = [
  SessionSharingRemoval,
  SharesRepository,
  ShareChanges,
  ShareEvents,
  ShareGrants,
  ShareReach,
  SharesService,
  SharesReader,
];

const participants = [
  ParticipantsRepository,
  RoleRequestsRepository,
  JoinedSharesRepository,
  JoinedTasksReader,
  ParticipantEvents,
  ParticipantsOfShare,
  RoleRequests,
  ParticipantsService,
  ParticipantsReader,
  ParticipantPresence,
  ParticipantsSweeper,
  JoinSession,
];

/**
 * Tasks, messages between agents, shares, participants: who works with whom, and who may look in. Global, because who
 * reaches what is asked of every route.
 */
@Module({})
export class SessionsSharingModule {
  static register({ imports, ports }: { imports: ModuleMetadata['imports']; ports: SharingPorts }): DynamicModule {
    return {
      module: SessionsSharingModule,
      global: true,
      imports: [SessionTasksModule, ...(imports ?? [])],
      providers: [
        { provide: TaskSessions, useClass: ports.taskSessions },
        { provide: TaskFollowers, useClass: ShareFollowers },
        TasksService,
        TaskMessages,
        { provide: SharingLog, useClass: ports.sharingLog },
        { provide: SharedSessions, useClass: ports.sharedSessions },
        { provide: ShareCredentials, useExisting: ShareGrants },
        { provide: SessionAccess, useExisting: ShareReach },
        { provide: JoinedSessions, useClass: ports.joinedSessions },
        SharingRetention,
        ...shares,
        ...participants,
      ],
      exports: [
        SessionSharingRemoval,
        SharingRetention,
        SessionTasksModule,
        TasksService,
        TaskMessages,
        TaskFollowers,
        SharingLog,
        ShareCredentials,
        SessionAccess,
        ShareChanges,
        ShareGrants,
        SharesService,
        SharesReader,
        ...participants,
      ],
    };
  }
}

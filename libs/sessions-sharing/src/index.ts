export {
  SessionJoin,
  SessionJoinCreate,
  SessionJoined,
  SessionJoinShare,
  SessionJoinStatus,
  type EndedReason,
} from './participants/dto/session-join.dto.js';
export { SessionParticipantEdit, SessionParticipantLeave } from './participants/dto/session-participant-edit.dto.js';
export { SessionParticipantPage, SessionParticipantQuery } from './participants/dto/session-participant-query.dto.js';
export { SessionParticipant, SessionSelection } from './participants/dto/session-participant.dto.js';
export {
  SessionRoleRequest,
  SessionRoleRequestAnswer,
  SessionRoleRequestCreate,
  SessionRoleRequestPage,
  SessionRoleRequestQuery,
  SessionRoleRequestWithdraw,
} from './participants/dto/session-role-request.dto.js';
export { JoinSession } from './participants/join-session.service.js';
export { ParticipantPresence } from './participants/participant-presence.js';
export {
  ParticipantAway,
  ParticipantLimit,
  ParticipantNotFound,
  RoleAboveOwn,
  RoleAlreadyHeld,
  RoleBeyondReach,
  RoleOfKey,
  RoleRequestNotFound,
  RoleRequestPending,
  RoleRequestSettled,
  SelectionElsewhere,
  SelectionTooLarge,
} from './participants/participants.errors.js';
export { ParticipantsReader } from './participants/participants.reader.js';
export { ParticipantsService } from './participants/participants.service.js';
export { ParticipantsSweeper } from './participants/participants-sweeper.js';
export { RoleRequests } from './participants/role-requests.service.js';
export { sessionsSharingPersistence } from './persistence.js';
export { JoinedSessions, type JoinedSession } from './ports/joined-sessions.port.js';
export { SharedSessions } from './ports/shared-sessions.port.js';
export { SharingLog, type SharingEvent } from './ports/sharing-log.port.js';
export { SessionSharingRemoval } from './session-sharing-removal.js';
export { SharingRetention } from './sharing-retention.js';
export { SessionsSharingModule } from './sessions-sharing.module.js';
export {
  SessionShareCreate,
  SessionShareEdit,
  SessionSharePath,
  SessionShareRevoke,
  SessionShareRotate,
} from './shares/dto/session-share-create.dto.js';
export {
  SessionOpening,
  SessionOpeningPage,
  SessionOpeningQuery,
  SessionSharePage,
  SessionShareQuery,
} from './shares/dto/session-share-query.dto.js';
export {
  SessionAmbientSource,
  SessionAmbientTask,
  SessionShareSourceCreate,
} from './shares/dto/session-share-source.dto.js';
export { SessionShare, SessionShareCreated } from './shares/dto/session-share.dto.js';
export { ShareChanges } from './shares/share-changes.js';
export { ShareGrants } from './shares/share-grants.js';
export { ShareAgentFixed, ShareExceeded, ShareInvalid, ShareNotFound, ShareOver } from './shares/shares.errors.js';
export { SharesReader } from './shares/shares.reader.js';
export { SharesService, type SharedByToken } from './shares/shares.service.js';
export { ACTIVITY_CHANNEL, TaskActivity } from './activity/task-activity.service.js';
export {
  activityLogPath,
  isActivityLogPath,
  taskIdOfLog,
  type TaskActivityEvent,
} from './activity/task-activity.events.js';
export { TaskActivityRelayer } from './activity/task-activity.relayer.js';
export {
  SessionTaskMessage,
  SessionTaskMessageNote,
  SessionTaskMessagePage,
  SessionTaskMessageQuery,
  SessionTaskMessages,
  SessionTaskMessageSend,
  SessionTaskMessageSent,
  SessionTaskMessagesNoted,
  SessionTaskMessageWait,
} from './messages/dto/session-task-message.dto.js';
export { RecipientUnknown, TaskMessageTooLarge, TaskMissing } from './messages/task-messages.errors.js';
export { TaskMessages } from './messages/task-messages.service.js';
export { TaskSessions } from './ports/task-sessions.port.js';
export {
  SessionTaskAgentsRun,
  SessionTaskAgentsStarted,
  SessionTaskAgentStart,
  SessionTaskAgentStarted,
} from './tasks/dto/session-task-agents-run.dto.js';
export { SessionTaskCreate } from './tasks/dto/session-task-create.dto.js';
export { SessionTaskEdit } from './tasks/dto/session-task-edit.dto.js';
export {
  SessionTaskActivityPlace,
  SessionTaskName,
  SessionTaskNameQuery,
  SessionTaskNames,
  SessionTaskPage,
  SessionTaskQuery,
} from './tasks/dto/session-task-query.dto.js';
export { SessionTaskStop, SessionTaskStopped, type TaskStop } from './tasks/dto/session-task-stop.dto.js';
export { SessionTask, SessionTaskPath } from './tasks/dto/session-task.dto.js';
export { SessionTasksModule } from './tasks/session-tasks.module.js';
export { TaskFollowers } from './tasks/task-followers.js';
export { isEnded, type TaskError, type TaskState, type TurnFact } from './tasks/task-state.rules.js';
export { TaskStates } from './tasks/task-states.service.js';
export {
  TaskEnded,
  TaskExists,
  TaskFollowsTurn,
  TaskLimit,
  TaskNotFound,
  TaskSessionTaken,
  TaskStopping,
} from './tasks/tasks.errors.js';
export { sessionsSharingJobs } from './tasks/tasks.jobs.js';
export { TasksReader } from './tasks/tasks.reader.js';
export { TasksRepository, type StoppingTask, type TaskKey, type TaskRow } from './tasks/tasks.repository.js';
export { TasksService, type OwnTask, type TaskStart } from './tasks/tasks.service.js';

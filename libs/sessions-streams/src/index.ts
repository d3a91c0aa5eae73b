export { localPool, LOCAL_RUNNER_GONE_SECONDS } from './control/local-pool.rules.js';
export { RunnerCommandsReader } from './control/runner-commands.reader.js';
export type { RunnerOffer, RunnerReplica } from './control/runner-replicas.repository.js';
export { SessionInboxService, WITHDRAWN } from './control/session-inbox.service.js';
export { commandOf } from './control/session-command.rules.js';
export { SessionStreamsReader } from './control/session-streams.reader.js';
export { toSessionTurn } from './control/session-turn.mapper.js';
export type { InvokedTurn } from './control/session-streams.reader.js';
export { isLive } from './control/session-turn.rules.js';
export type { TurnOutcome, TurnStatus } from './control/session-turn.rules.js';
export { SessionTurnsRepository } from './control/session-turns.repository.js';
export type { TurnEnd, TurnRow } from './control/session-turns.repository.js';
export { SessionTurnsService } from './control/session-turns.service.js';
export { SessionWatchersService } from './control/session-watchers.service.js';
export { turnChannel } from './control/turn.channel.js';
export type { TurnStart } from './control/session-turns.service.js';
export { TurnBeatsService } from './control/turn-beats.service.js';
export { TurnClaimsService } from './control/turn-claims.service.js';
export { TurnLeasesRepository } from './control/turn-leases.repository.js';
export { TurnTakeoverService } from './control/turn-takeover.service.js';
export { TurnHandOverService } from './control/turn-hand-over.service.js';
export { parseTurnBeat } from './control/turn-beat.rules.js';
export type { TurnBeat } from './control/turn-leases.repository.js';
export type { TurnBeatOutcome } from './control/turn-beats.service.js';
export type { ClaimedTurn } from './control/turn-claims.service.js';
export { SessionRunner, SessionRunnerRegister } from './dto/session-runner.dto.js';
export { SessionTurnClaim, SessionTurnGrant, SessionTurnGrants } from './dto/session-turn-claim.dto.js';
export {
  SessionTurnBeat,
  SessionTurnBeatAnswer,
  SessionTurnBeatAnswers,
  SessionTurnBeatError,
  SessionTurnBeats,
} from './dto/session-turn-beat.dto.js';
export { SessionTurnComplete, SessionTurnFailure } from './dto/session-turn-complete.dto.js';
export { SessionTurnDetach } from './dto/session-turn-detach.dto.js';
export { SessionTurnMerge } from './dto/session-turn-merge.dto.js';
export { SessionStreamKill, SessionStreamKilled } from './dto/session-kill.dto.js';
export {
  DEFAULT_START_WITHIN_MS,
  SessionStreamAgent,
  SessionStreamInvoke,
  SessionStreamInvoked,
  SessionStreamLocal,
} from './dto/session-stream-invoke.dto.js';
export { SessionStreamDetach, SessionStreamDetached } from './dto/session-watcher.dto.js';
export {
  SessionStreamEvents,
  SessionStreamPlace,
  SessionStreamProblem,
  SessionStreamWatch,
} from './dto/session-stream-watch.dto.js';
export {
  SessionInbox,
  SessionInboxPage,
  SessionInboxQuery,
  SessionInboxReorder,
  SessionInboxWithdraw,
} from './dto/session-inbox.dto.js';
export { SessionStreamPage, SessionStreamQuery } from './dto/session-stream-query.dto.js';
export { SessionLiveness, SessionStream } from './dto/session-stream.dto.js';
export { SessionTurnPage, SessionTurnQuery } from './dto/session-turn-query.dto.js';
export { SessionTurn, SessionTurnAgent, SessionTurnError, SessionTurnPath } from './dto/session-turn.dto.js';
export {
  RUNNER_PRODUCER_ID,
  SessionLogService,
  controlLogPath,
  isReservedLogPath,
  isSessionLogPath,
  logUrlPath,
  sessionIdOfLog,
  sessionLogKey,
  sessionLogPath,
} from './log/session-log.service.js';
export { parseProducer, parseRunnerEvents } from './log/runner-append.js';
export type { SessionEvent } from './log/session-event.js';
export { EventTypeReserved } from './log/session-log.errors.js';
export { openBell } from './signal-bell.js';
export {
  InboxChanged,
  InboxFull,
  NoLiveTurn,
  NoLocalRunner,
  NotInInbox,
  NotStarted,
  ProjectAtCapacity,
  PromptNotOffered,
  ReplicaTaken,
  ReplicaUnknown,
  SessionInUse,
  SessionNotLocal,
  TurnInInbox,
  TurnNotFound,
  TurnNotLive,
} from './sessions-streams.errors.js';
export { sessionsStreamsJobs } from './sessions-streams.jobs.js';
export { sessionsStreamsPersistence } from './persistence.js';
export { SavedConversations, type SavedConversation } from './ports/saved-conversations.port.js';
export { TurnMilestones, type TurnMilestone } from './ports/turn-milestones.port.js';
export { SessionsStreamsModule } from './sessions-streams.module.js';
export { DEFAULT_STREAMS_CONFIG, StreamsConfig } from './streams.config.js';

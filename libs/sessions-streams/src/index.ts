export type { RunnerReplica } from './control/runner-replicas.repository.js';
export { SessionStreamsReader } from './control/session-streams.reader.js';
export { toSessionTurn } from './control/session-turn.mapper.js';
export type { TurnOutcome, TurnStatus } from './control/session-turn.rules.js';
export { SessionTurnsRepository } from './control/session-turns.repository.js';
export type { TurnEnd, TurnRow } from './control/session-turns.repository.js';
export { SessionTurnsService } from './control/session-turns.service.js';
export type { TurnStart } from './control/session-turns.service.js';
export { TurnBeatsService } from './control/turn-beats.service.js';
export { TurnClaimsService } from './control/turn-claims.service.js';
export type { ClaimedTurn } from './control/turn-claims.service.js';
export {
  SessionRunner,
  SessionRunnerRegister,
  SessionTurnBeat,
  SessionTurnBeatAnswer,
  SessionTurnBeatAnswers,
  SessionTurnBeats,
  SessionTurnClaim,
  SessionTurnComplete,
  SessionTurnFailure,
  SessionTurnGrant,
  SessionTurnGrants,
} from './dto/session-runner.dto.js';
export { SessionStreamAgent, SessionStreamInvoke, SessionStreamInvoked } from './dto/session-stream-invoke.dto.js';
export { SessionStream } from './dto/session-stream.dto.js';
export { SessionTurnPage, SessionTurnQuery } from './dto/session-turn-query.dto.js';
export { SessionTurn, SessionTurnAgent, SessionTurnError, SessionTurnPath } from './dto/session-turn.dto.js';
export { nextCursor } from './log/log-cursor.js';
export { formatOffset } from './log/log-offset.js';
export { LogReader } from './log/log-reader.js';
export type { LogPage } from './log/log-reader.js';
export { LogRepository } from './log/log.repository.js';
export type { LogHead, LogKey } from './log/log.repository.js';
export {
  LogService,
  RUNNER_PRODUCER_ID,
  controlLogPath,
  logUrlPath,
  sessionLogKey,
  sessionLogPath,
} from './log/log.service.js';
export { LogViewer } from './log/log-viewer.js';
export type { ViewerSink } from './log/log-viewer.js';
export { parseProducer, parseRunnerEvents } from './log/runner-append.js';
export type { SessionEvent } from './log/session-event.js';
export {
  AppendBacklogFull,
  AppendMalformed,
  EventTypeReserved,
  LogUnavailable,
  LiveModeUnknown,
  MessageTooLarge,
  OffsetBeyondTail,
  OffsetGone,
  OffsetMalformed,
  ProducerSequenceGap,
  StreamNotFound,
  TurnMismatch,
} from './log/log.errors.js';
export {
  NoLiveTurn,
  ReplicaTaken,
  ReplicaUnknown,
  SessionInUse,
  TurnNotFound,
  TurnNotLive,
} from './sessions-streams.errors.js';
export { sessionsStreamsPersistence } from './persistence.js';
export { SessionsStreamsModule } from './sessions-streams.module.js';
export { DEFAULT_STREAMS_CONFIG, StreamsConfig } from './streams.config.js';

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
export {
  SessionStreamEvents,
  SessionStreamPlace,
  SessionStreamProblem,
  SessionStreamWatch,
} from './dto/session-stream-watch.dto.js';
export { SessionStream } from './dto/session-stream.dto.js';
export { SessionTurnPage, SessionTurnQuery } from './dto/session-turn-query.dto.js';
export { SessionTurn, SessionTurnAgent, SessionTurnError, SessionTurnPath } from './dto/session-turn.dto.js';
export {
  RUNNER_PRODUCER_ID,
  SessionLogService,
  controlLogPath,
  isReservedLogPath,
  logUrlPath,
  sessionIdOfLog,
  sessionLogKey,
  sessionLogPath,
} from './log/session-log.service.js';
export { parseProducer, parseRunnerEvents } from './log/runner-append.js';
export type { SessionEvent } from './log/session-event.js';
export { EventTypeReserved } from './log/session-log.errors.js';
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

export { SessionInteractionPage, SessionInteractionQuery } from './dto/session-interaction-query.dto.js';
export { SessionInteractionRaise, SessionInteractionResolve } from './dto/session-interaction-raise.dto.js';
export { SessionInteractionOption, SessionInteractionRequest } from './dto/session-interaction-request.dto.js';
export { SessionInteractionRespond } from './dto/session-interaction-respond.dto.js';
export {
  SessionInteraction,
  SessionInteractionPath,
  SessionInteractionVerdict,
} from './dto/session-interaction.dto.js';
export { sessionsInteractionsPersistence } from './persistence.js';
export { InteractionLog } from './ports/interaction-log.port.js';
export type { InteractionLogEvent } from './ports/interaction-log.port.js';
export { LiveTurns } from './ports/live-turns.port.js';
export { TurnControl } from './ports/turn-control.port.js';
export type { AnswerCommand } from './ports/turn-control.port.js';
export { SessionInteractionsReader } from './session-interactions.reader.js';
export { SessionInteractionsRepository } from './session-interactions.repository.js';
export { SessionInteractionsService } from './session-interactions.service.js';
export {
  DecisionNotOffered,
  InteractionAlreadyAnswered,
  InteractionClosed,
  InteractionNotAnswered,
  InteractionNotFound,
  InteractionRequestTooLarge,
  InteractionTokenTaken,
} from './sessions-interactions.errors.js';
export { SessionsInteractionsModule } from './sessions-interactions.module.js';
export type { InteractionPorts } from './sessions-interactions.module.js';

export { ClaimTurnsFlow } from './flows/claim-turns.flow.js';
export { CompleteTurnFlow } from './flows/complete-turn.flow.js';
export { CreateSessionFlow } from './flows/create-session.flow.js';
export { InvokeSessionFlow } from './flows/invoke-session.flow.js';
export { ProjectLaggingLogsFlow } from './flows/project-lagging-logs.flow.js';
export { SweepOverdueTurnsFlow } from './flows/sweep-overdue-turns.flow.js';
export { persistence } from './persistence.js';
export { SessionsModule } from './sessions.module.js';

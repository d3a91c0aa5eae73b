/* tslint:disable */
/* eslint-disable */
export * from './AgentsApi.js';
export * from './ProjectApi.js';
export * from './SessionInteractionsApi.js';
export * from './SessionLogApi.js';
export * from './SessionNativeTranscriptsApi.js';
export * from './SessionParticipantsApi.js';
export * from './SessionRunnersApi.js';
export * from './SessionSharesApi.js';
export * from './SessionStreamsApi.js';
export * from './SessionTasksApi.js';
export * from './SessionTranscriptsApi.js';
export * from './SessionsApi.js';
export * from './TriggersApi.js';

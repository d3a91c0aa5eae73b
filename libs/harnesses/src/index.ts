export type { AcpHarness } from './acp-harness.js';
export { agentEnvironment } from './agent-environment.js';
export { HARNESSES, locateHarness } from './locate-harness.js';
export type { HarnessLaunch, SearchPath } from './locate-harness.js';

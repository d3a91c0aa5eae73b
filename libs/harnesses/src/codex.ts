import type { AcpHarness } from './acp-harness.js';

export const codex: AcpHarness = {
  name: 'codex',
  command: 'codex-acp',
  args: [],
  drives: { CODEX_PATH: 'codex' },
  passes: ['CODEX_HOME', 'CODEX_API_KEY', 'OPENAI_*'],
  // The adapter's own default mode lets a model judge approvals, and no person is asked.
  settings: { INITIAL_AGENT_MODE: 'read-only' },
  modelVariable: null,
  install: 'npm install -g @openai/codex @agentclientprotocol/codex-acp',
};

import type { AcpHarness } from './acp-harness.js';

export const claude: AcpHarness = {
  name: 'claude',
  command: 'claude-agent-acp',
  args: [],
  drives: { CLAUDE_CODE_EXECUTABLE: 'claude' },
  passes: [
    'ANTHROPIC_*',
    'CLAUDE_CONFIG_DIR',
    'CLAUDE_CODE_USE_*',
    'AWS_*',
    'GOOGLE_APPLICATION_CREDENTIALS',
    'CLOUD_ML_REGION',
  ],
  settings: { DISABLE_AUTOUPDATER: '1' },
  modelVariable: 'ANTHROPIC_MODEL',
  install: 'npm install -g @anthropic-ai/claude-code @agentclientprotocol/claude-agent-acp',
};

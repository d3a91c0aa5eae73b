import type { AcpHarness } from './acp-harness.js';

export const opencode: AcpHarness = {
  name: 'opencode',
  command: 'opencode',
  args: ['acp'],
  drives: {},
  passes: ['OPENCODE_*', 'OPENAI_*', 'ANTHROPIC_*', 'GEMINI_*'],
  settings: {
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    // Its own default allows everything without asking.
    OPENCODE_PERMISSION: '{"edit":"ask","bash":"ask","webfetch":"ask"}',
  },
  modelVariable: null,
  install: 'npm install -g opencode-ai',
};

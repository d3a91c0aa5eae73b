import type { AcpHarness } from './acp-harness.js';

export const gemini: AcpHarness = {
  name: 'gemini',
  command: 'gemini',
  args: ['--acp'],
  drives: {},
  passes: ['GEMINI_*', 'GOOGLE_*'],
  settings: {},
  modelVariable: 'GEMINI_MODEL',
  install: 'npm install -g @google/gemini-cli',
};

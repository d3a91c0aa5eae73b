import base from '../../../jest.preset.mjs';

// Apart from the other end-to-end tests: these need the agents that tools/install-agents.mjs installs.
export default {
  ...base,
  displayName: 'real-agents',
  rootDir: import.meta.dirname,
  testMatch: ['<rootDir>/*.spec.ts'],
  testTimeout: 60_000,
  // They spend half of their time waiting for programs.
  maxWorkers: 2,
};

import base from '../../../jest.preset.mjs';

// Apart from the other end-to-end tests: these need Chromium.
export default {
  ...base,
  displayName: 'browser',
  rootDir: import.meta.dirname,
  testMatch: ['<rootDir>/*.spec.ts'],
};

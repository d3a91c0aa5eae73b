import base from '../../../jest.preset.mjs';

// Apart from the other end-to-end tests: it makes a client, which takes Java.
export default {
  ...base,
  displayName: 'older-client',
  rootDir: import.meta.dirname,
  testMatch: ['<rootDir>/*.spec.ts'],
};

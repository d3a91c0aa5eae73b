// Jest runs everything as CommonJS: on Node 20 it cannot require() the ESM-only packages that Nest 12 is made of,
// so tools/jest-swc-cjs.cjs turns both TypeScript and those packages into CommonJS.
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The Jest configuration that every project extends with its `displayName` and `rootDir`. */
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: {
    customExportConditions: ['@holdfast/source', 'require', 'node', 'node-addons', 'default'],
  },
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json'],
  testMatch: ['<rootDir>/src/**/*.spec.ts', '<rootDir>/test/**/*.spec.ts'],
  transform: { '\\.(ts|js|mjs)$': here('tools/jest-swc-cjs.cjs') },
  transformIgnorePatterns: [
    '/node_modules/(typescript|@swc|pg|typeorm|rxjs|bullmq|ioredis|class-validator|libphonenumber-js|validator)/',
  ],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  testTimeout: 30_000,
  globalSetup: here('tools/jest-services.mjs'),
  globalTeardown: here('tools/jest-services-stop.mjs'),
  ...(process.env.HOLDFAST_TEST_RESULTS && { reporters: ['default', here('tools/jest-count-reporter.cjs')] }),
};

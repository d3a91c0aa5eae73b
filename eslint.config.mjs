import nx from '@nx/eslint-plugin';
import jsonc from 'jsonc-eslint-parser';
import tseslint from 'typescript-eslint';

/** Who may import whom: app → sessions → domains → platform (docs/architecture.md). */
const layers = [
  { sourceTag: 'type:app', onlyDependOnLibsWithTags: ['type:composition', 'type:domain', 'type:platform'] },
  { sourceTag: 'type:composition', onlyDependOnLibsWithTags: ['type:domain', 'type:platform', 'type:harness'] },
  {
    sourceTag: 'type:domain',
    // Harnesses' formats are pure: a domain reads and writes them without running anything.
    onlyDependOnLibsWithTags: ['type:platform', 'type:harness'],
    bannedExternalImports: ['bullmq', 'ioredis', 'pg', '@nestjs/platform-*', '@nestjs/bullmq'],
  },
  { sourceTag: 'type:platform', onlyDependOnLibsWithTags: ['type:platform'] },
  { sourceTag: 'type:testing', onlyDependOnLibsWithTags: ['type:platform'] },
  { sourceTag: 'type:tool', onlyDependOnLibsWithTags: ['type:client', 'type:harness'] },
  {
    sourceTag: 'type:e2e',
    onlyDependOnLibsWithTags: ['type:client', 'type:harness', 'type:testing', 'type:platform'],
  },
  { sourceTag: 'type:harness', onlyDependOnLibsWithTags: [] },
  { sourceTag: 'type:client', onlyDependOnLibsWithTags: [] },
];

/** Tests may start real services as well. */
const layersOfTests = layers.map((layer) => ({
  ...layer,
  onlyDependOnLibsWithTags: [...new Set([...layer.onlyDependOnLibsWithTags, 'type:testing', 'type:platform'])],
}));

const boundaries = (depConstraints) => ({
  '@nx/enforce-module-boundaries': ['error', { allow: [], depConstraints }],
});

const tests = ['**/test/**/*.ts', '**/*.spec.ts', 'apps/e2e/**/*.ts'];

export default [
  { ignores: ['**/dist', '**/node_modules', '**/*.mjs', '**/*.cjs', '**/*.d.ts', 'libs/client/src/generated'] },
  ...tseslint.configs.recommended.map((config) => ({ ...config, files: config.files ?? ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx },
    rules: {
      ...boundaries(layers),
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-restricted-syntax': [
        'error',
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: "Only an app's config.ts reads the environment; take the parsed configuration as an argument.",
        },
        {
          selector: "CallExpression[callee.name='forwardRef']",
          message: 'A circle between providers: redraw the border.',
        },
      ],
    },
  },
  { files: tests, rules: boundaries(layersOfTests) },
  { files: ['apps/*/src/config.ts', 'libs/testing/**/*.ts', ...tests], rules: { 'no-restricted-syntax': 'off' } },
  {
    // What a package imports it must declare, or its production bundle lacks it.
    files: ['apps/*/package.json', 'libs/*/package.json'],
    plugins: { '@nx': nx },
    languageOptions: { parser: jsonc },
    rules: {
      '@nx/dependency-checks': [
        'error',
        {
          // Needed at run time though no import names them.
          ignoredDependencies: ['pino-http', '@holdfast/scripted-agent', '@holdfast/runner'],
          ignoredFiles: ['{projectRoot}/test/**', '{projectRoot}/**/*.spec.ts', '{projectRoot}/jest.config.mjs'],
          checkVersionMismatches: false,
        },
      ],
    },
  },
];

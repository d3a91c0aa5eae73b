import { parseArgs } from 'node:util';
import { createVitest } from 'vitest/node';

const HELP = `node conformance/main.mjs [--rounds N] [-t REGEX] [--url URL [--key KEY]]

Runs the public conformance suite of Durable Streams, whole, on servers of its own (built before): PostgreSQL, Redis,
two api processes and workers. First against one api, then through a proxy that gives each request to the other one.

  --rounds N   does that N times
  -t REGEX     only tests whose name matches
  --url URL    against a server that runs already, instead
  --key KEY    the API key for it`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1' },
    test: { type: 'string', short: 't' },
    url: { type: 'string' },
    key: { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit();
}

const vitest = await createVitest(
  'test',
  { config: false, root: import.meta.dirname, watch: false, testNamePattern: values.test },
  { test: { ...servers(), projects: projects() } },
);
// Vitest's own answer to a signal would leave PostgreSQL and Redis behind.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.removeAllListeners(signal);
  process.once(signal, () => vitest.cancelCurrentRun('keyboard-input'));
}
process.exitCode = (await run()) ? 0 : 1;

/** Where the servers come from: `servers.ts` starts and provides them, unless there is one. */
function servers() {
  const { url, key: apiKey } = values;
  return url ? { provide: { servers: { [url]: { url, apiKey } } } } : { globalSetup: './servers.ts' };
}

/** One project for each run of the suite, each in a group of its own: one after the other. */
function projects() {
  const rounds = Array.from({ length: Number(values.rounds) }, (_, index) => index + 1);
  const names = values.url ? [values.url] : ['one api', 'two apis'];
  return rounds
    .flatMap((round) => names.map((server) => ({ server, round })))
    .map(({ server, round }, groupOrder) => ({
      test: {
        name: rounds.length > 1 ? `${server}, round ${round}` : server,
        include: ['suite.ts'],
        setupFiles: './authorize.ts',
        provide: { server },
        sequence: { groupOrder },
        // The default of 5 s is a margin that a busy machine may miss.
        testTimeout: 30_000,
      },
    }));
}

/** Prints the counts, after the names of what failed. Resolves to whether all is well. */
async function run() {
  const { testModules, unhandledErrors } = await vitest.start().finally(() => vitest.close());
  const tests = testModules.flatMap(({ children }) => [...children.allTests()]);
  const passed = tests.filter((test) => test.result().state === 'passed');
  const failed = tests.filter((test) => !passed.includes(test) && !isLeftOut(test));
  const broken = testModules.filter((module) => module.errors().length > 0);

  for (const test of failed) console.log(`  ● ${test.project.name}: ${test.fullName} (${test.result().state})`);
  for (const { project } of broken) console.log(`  ● ${project.name}: the suite did not run`);
  if (unhandledErrors.length) console.log(`  ● ${unhandledErrors.length} errors outside of tests, see above`);
  const failures = failed.length + broken.length + unhandledErrors.length;
  console.log(`${passed.length} passed, ${failures} failed`);
  return failures === 0 && passed.length > 0;
}

/** With -t, tests that do not match are skipped; otherwise a test that is skipped is one that failed. */
function isLeftOut(test) {
  return values.test !== undefined && test.result().state === 'skipped';
}

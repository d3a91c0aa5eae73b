import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, ensureInstalled, nxEnvironment, root } from '../start/workspace.mjs';

const interruption = new AbortController();
const { signal } = interruption;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => interruption.abort());

try {
  await ensureInstalled({ say: console.log, signal });
  await build({ say: console.log, signal });
  const problems = await testAll();
  process.exitCode = problems ? 1 : 0;
} catch (error) {
  if (!signal.aborted) console.error(error.message);
  process.exitCode = 1;
}

/** Resolves to whether anything is wrong. */
async function testAll() {
  const { startTestServices } = await import('../test-services.mjs');
  const stopServices = await startTestServices();
  const results = mkdtempSync(join(tmpdir(), 'holdfast-test-results-'));
  process.env.HOLDFAST_TEST_RESULTS = results;
  try {
    const isSound = await runProjects();
    signal.throwIfAborted();
    return summarise(results, isSound);
  } finally {
    rmSync(results, { recursive: true });
    await stopServices();
  }
}

/** Resolves to whether Nx was content. */
async function runProjects() {
  const script = join(root, 'node_modules/nx/dist/bin/nx.js');
  const args = [script, 'run-many', '-t', 'test', '--parallel=2', '--output-style=static'];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: nxEnvironment(),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  signal.addEventListener('abort', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  return code === 0;
}

/** Prints what ran; every way to fail counts as a failure in the last line. */
function summarise(results, isSound) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const project of testedProjects()) {
    const file = join(results, `${project}.json`);
    if (!existsSync(file)) {
      console.log(`${project}: no results`);
      total.failed += 1;
      continue;
    }
    const counts = JSON.parse(readFileSync(file, 'utf8'));
    if (counts.brokenSuites) console.log(`${project}: ${counts.brokenSuites} test files did not run`);
    total.passed += counts.passed;
    total.failed += counts.failed + counts.brokenSuites;
    total.skipped += counts.skipped;
  }
  total.failed += missingLegs();
  if (!isSound && total.failed === 0) {
    console.log('a test command failed although each of its tests passed; see above');
    total.failed += 1;
  }
  const skipped = total.skipped ? `, ${total.skipped} skipped` : '';
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed > 0;
}

function missingLegs() {
  console.log('PostgreSQL: ran');
  return (
    missingLeg('REDIS', 'Redis', 'no redis-server found') +
    missingLeg('S3', 'S3', 'no versitygw found; node tools/install-s3-server.mjs builds one')
  );
}

function missingLeg(variable, name, why) {
  if (process.env[`HOLDFAST_TEST_${variable}_URL`]) {
    console.log(`${name}: ran`);
    return 0;
  }
  console.log(`${name}: not run (${why})`);
  return process.env[`HOLDFAST_REQUIRE_${variable}`] === '1' ? 1 : 0;
}

/** The folder names of the projects that have a test target. */
function testedProjects() {
  return ['apps', 'libs'].flatMap((group) =>
    readdirSync(join(root, group)).filter((name) => {
      const manifest = join(root, group, name, 'package.json');
      return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).nx?.targets?.test;
    }),
  );
}

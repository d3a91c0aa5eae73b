// npm run bench: see --help, and docs/performance.md for the method and what it found.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireNode } from '../start/node-version.mjs';
import { build, ensureInstalled } from '../start/workspace.mjs';
import { Bench } from './bench.mjs';
import { judge } from './goals.mjs';
import { HELP, readOptions } from './options.mjs';
import { Profiles } from './profile.mjs';
import { judgementTable, rowTable } from './report.mjs';
import { guardRows } from './rows/guard.mjs';
import { runRow } from './run-row.mjs';
import { prepareContenders } from './servers/contenders.mjs';

const interruption = new AbortController();
const { signal } = interruption;
/** What undoes each step of the start; run from the last to the first. */
const undo = [];

/** Settles when no more is added to `undo`. */
let starting = Promise.resolve();

requireNode();
// Whatever an interruption has left half done must not keep this process, and with it its servers, alive.
process.exit(await main(readOptions(process.argv.slice(2))));

async function main(options) {
  if (options.isHelp) return print(HELP);
  const problem = options.problem ?? (process.platform === 'linux' ? undefined : 'The bench reads /proc: Linux only.');
  if (problem) {
    console.error(`${problem}\n\nnpm run bench -- --help tells what there is.`);
    return 2;
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => interruption.abort());
  try {
    const work = measureAll(options);
    // What goes wrong because everything is being stopped is no news.
    work.catch(() => undefined);
    return await Promise.race([work, aborted()]);
  } catch (error) {
    console.error(signal.aborted ? 'stopped' : error.stack);
    return 1;
  } finally {
    await starting.catch(() => undefined);
    for (const step of undo.reverse()) await step();
  }
}

async function measureAll(options) {
  if (options.mayBuild) {
    await ensureInstalled({ say: progress, signal });
    await build({ say: progress, signal });
  }
  const rows = options.isGuard ? guardRows : options.rows;
  const names = options.contenders.filter((name) => rows.some((row) => row.contenders.includes(name)));
  const profiles = options.isProfiled ? new Profiles() : undefined;
  starting = start(names, options.isProfiled);
  const { contenders, settings } = await starting;
  signal.throwIfAborted();
  const bench = new Bench(profiles);
  undo.push(() => bench.load.stop());
  print(describeMachine(settings));

  const results = [];
  for (const row of rows) {
    results.push(await measureRow(row, { contenders, bench, profiles, options }));
    signal.throwIfAborted();
  }
  const goals = results.flatMap(({ name, judgements }) => judgements.map((judgement) => ({ row: name, ...judgement })));
  const bound = goals.filter(({ isReached }) => isReached !== undefined);
  if (bound.length) print(['', 'goals', ...judgementTable(bound)].join('\n'));
  const failed = results.filter(({ error }) => error).map(({ name }) => name);
  if (failed.length) print(`\nnot measured because something failed: ${failed.join(', ')}`);
  if (options.jsonFile)
    writeFileSync(options.jsonFile, JSON.stringify({ machine: machine(settings), results }, null, 2));
  const isBroken = options.isGuard && bound.some(({ isReached }) => !isReached);
  return isBroken || failed.length ? 1 : 0;
}

/** Measures, judges and prints one row. One that fails takes no other with it. */
async function measureRow(row, { contenders, bench, profiles, options: { rounds, seconds } }) {
  const { name, title } = row;
  try {
    const samples = await runRow({ row, contenders, bench, rounds, seconds, signal, say: progress });
    const judgements = row.goals.map((goal) => judge(goal, samples)).filter(Boolean);
    print(['', `${name}: ${title}`, ...rowTable(row, samples), ...judgementTable(judgements)].join('\n'));
    if (profiles) print(profiles.report(name).join('\n'));
    return { name, title, samples, judgements };
  } catch (error) {
    if (signal.aborted) throw error;
    print(`\n${name}: ${title}\n  failed: ${error.stack}\n${lastErrors(contenders)}`);
    return { name, title, samples: [], judgements: [], error: error.message };
  }
}

/** What the api logged of its own trouble, most recent last. */
function lastErrors(contenders) {
  const logFile = contenders.find((contender) => contender.logFile)?.logFile;
  if (!logFile) return '';
  const lines = readFileSync(logFile, 'utf8').split('\n');
  return lines
    .filter((line) => /"level":"(error|fatal)"/.test(line))
    .slice(-3)
    .join('\n');
}

async function start(names, isProfiled) {
  // Not mkdtemp: PostgreSQL's user must get through.
  const folder = join(tmpdir(), `holdfast-bench-${randomBytes(4).toString('hex')}`);
  mkdirSync(folder);
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  progress(`starting ${names.join(', ')}`);
  return prepareContenders({ names, folder, isProfiled, undo });
}

function machine(settings) {
  const { model } = cpus()[0];
  return { cpu: model, cores: cpus().length, node: process.version, postgres: settings, at: new Date().toISOString() };
}

function describeMachine(settings) {
  const { cpu, cores, node } = machine(settings);
  const lines = [`${cores} × ${cpu}, Node ${node}`];
  if (settings)
    lines.push(
      `PostgreSQL: ${Object.entries(settings)
        .map((setting) => setting.join(' '))
        .join(', ')}`,
    );
  return lines.join('\n');
}

function print(text) {
  clearProgress();
  console.log(text);
  return 0;
}

/** One line that is overwritten on a terminal; a line each elsewhere. On stderr: stdout holds results only. */
function progress(text) {
  if (!process.stderr.isTTY) return process.stderr.write(`… ${text}\n`);
  clearProgress();
  process.stderr.write(`… ${text}`);
}

function clearProgress() {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
}

function aborted() {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
}

// npm run chaos: see --help.
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requireNode } from '../start/node-version.mjs';
import { build, ensureInstalled } from '../start/workspace.mjs';
import { audit, auditReport } from './audit/audit.mjs';
import { readFacts, readUnrest } from './audit/facts.mjs';
import { startAnswering } from './answerer.mjs';
import { newCaller } from './caller.mjs';
import { startCluster } from './cluster.mjs';
import { deadline } from './deadline.mjs';
import { dice } from './dice.mjs';
import { causeFaults, restartInTurn } from './faults.mjs';
import { newLedger } from './ledger.mjs';
import { livingAgents } from './living-agents.mjs';
import { HELP, readOptions } from './options.mjs';
import { AGENTS, PUSHED_AGENT, sessionDriver } from './session-driver.mjs';
import { newViewer } from './viewer.mjs';

const SAMPLE_MS = 1_000;
const PROGRESS_MS = 10_000;
/** Besides what is in line when the load ends. */
const QUIET_WITHIN_MS = 120_000;
const VIEWERS_WITHIN_MS = 30_000;
/** An agent may take so long to end after its turn. */
const AGENTS_END_WITHIN_MS = 15_000;
const LAST_START_MS = 60_000;
/** Every so many-th session's turns are pushed to the service. */
const PUSHED_EVERY = 4;

const interruption = new AbortController();
const { signal } = interruption;
setMaxListeners(0, signal);
/** What undoes each step of the start; run from the last to the first. */
const undo = [];
const startedAt = Date.now();
/** Settles when no more is started. */
let working = Promise.resolve();

requireNode();
process.exit(await main(readOptions(process.argv.slice(2))));

async function main(options) {
  if (options.isHelp) return print(HELP);
  const problem = options.problem ?? (process.platform === 'linux' ? undefined : 'This reads /proc: Linux only.');
  if (problem) {
    console.error(`${problem}\n\nnpm run chaos -- --help tells what there is.`);
    return 2;
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => interruption.abort());
  // Not mkdtemp: PostgreSQL's user must get through.
  const folder = join(tmpdir(), `holdfast-chaos-${randomBytes(4).toString('hex')}`);
  let keeps = options.keeps;
  try {
    working = runAll(options, folder);
    const results = await Promise.race([working, aborted()]);
    const isSound = results.every(({ findings }) => findings.length === 0);
    keeps ||= !isSound;
    if (keeps) {
      writeFileSync(join(folder, 'findings.json'), JSON.stringify(results, null, 2));
      say(`logs, sessions and findings.json are in ${folder}`);
    }
    print(auditReport(results));
    return isSound ? 0 : 1;
  } catch (error) {
    keeps ||= !signal.aborted;
    console.error(signal.aborted ? 'stopped' : `${error.stack}\nlogs are in ${folder}`);
    return 1;
  } finally {
    // What is on its way up must be up before it can be stopped.
    await Promise.race([working.catch(() => undefined), sleep(LAST_START_MS)]);
    for (const step of undo.splice(0).reverse()) await Promise.resolve(step()).catch((error) => say(error.message));
    if (!keeps) rmSync(folder, { recursive: true, force: true });
  }
}

async function runAll(options, folder) {
  if (options.mayBuild) {
    await ensureInstalled({ say, signal });
    await build({ say, signal });
  }
  mkdirSync(folder);
  const ledger = newLedger();
  say(`seed ${options.seed}; starting everything in ${folder}`);
  const cluster = await startCluster({
    folder,
    turnsOfProject: Math.max(10, Math.ceil(options.sessions * 0.7)),
    undo,
    signal,
    onSurprise: (what) => ledger.surprises.push(`${what} at ${new Date().toISOString()}`),
    onAppend: (append) => ledger.appends.push(append),
  });
  const access = { url: cluster.url, apiKey: cluster.api_key };
  const caller = newCaller({ ...access, signal });
  await makeAgents({ ...access, push_url: cluster.service.url });
  const viewer = await newViewer({ ...access, ledger });
  undo.push(() => viewer.leave());
  const sampling = setInterval(() => sampleAgents(cluster, ledger), SAMPLE_MS);
  undo.push(() => clearInterval(sampling));
  const answering = startAnswering({ caller, ledger, dice: dice(options.seed).fork(-2), signal });
  undo.push(() => answering.leave());

  const counts = await load({ options, cluster, caller, ledger, viewer });
  say('waiting until all is quiet');
  await untilQuiet(cluster, options.sessions);
  answering.leave();
  const orphans = await orphansOf(cluster);
  // What an api remembers proves nothing.
  for (const api of cluster.apis) {
    await api.stop();
    await api.start(signal);
  }
  const facts = await readFacts({ ...cluster, apiKey: cluster.api_key });
  await untilShown(facts, ledger);
  describe(counts, ledger, facts);
  return audit(facts, ledger, orphans, options);
}

/** Drives the sessions, and has faults befall the cluster meanwhile; gives how often each did. */
async function load({ options, cluster, caller, ledger, viewer }) {
  const { sessions, seconds, seed, isRolling } = options;
  const befalling = deadline(seconds * 1_000, signal);
  // Whatever befalls the cluster, it does so under load.
  const driving = deadline(seconds * 10_000, signal);
  setMaxListeners(0, befalling.signal, driving.signal);
  const all = dice(seed);
  const drivers = Array.from({ length: sessions }, (_, n) => {
    const session_id = `chaos-${n + 1}`;
    const onExists = () => viewer.follow(session_id);
    const until = driving.signal;
    const isPushed = n % PUSHED_EVERY === PUSHED_EVERY - 1;
    return sessionDriver({ session_id, isPushed, sessions, dice: all.fork(n), caller, ledger, onExists, until });
  });
  const progress = setInterval(() => say(progressOf(ledger)), PROGRESS_MS);
  undo.push(() => clearInterval(progress));
  const driven = Promise.all(drivers.map((driver) => driver.run()));
  const befall = isRolling ? restartInTurn : causeFaults;
  const counts = await Promise.race([
    befall({ cluster, dice: all.fork(-1), until: befalling.signal, say }),
    driven.then(() => Promise.reject(new Error('the load ended before its time'))),
  ]).finally(() => driving.end());
  await driven;
  clearInterval(progress);
  befalling.clear();
  return counts;
}

async function makeAgents({ url, apiKey, push_url }) {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const agents = {
    [PUSHED_AGENT]: { harness: 'push', push_url },
    ...Object.fromEntries(Array.from({ length: AGENTS }, (_, n) => [`chaos-${n}`, { harness: 'scripted' }])),
  };
  for (const [name, agent] of Object.entries(agents)) {
    const answer = await fetch(`${url}/v1/agents/${name}`, { method: 'PUT', headers, body: JSON.stringify(agent) });
    if (!answer.ok) throw new Error(`an agent could not be made: ${answer.status} ${await answer.text()}`);
  }
}

/** Notes sessions in which two runners have agents at this moment. */
function sampleAgents({ agentsFolder, runners }, ledger) {
  const hosts = new Map();
  for (const { cwd } of livingAgents(agentsFolder, pidsOf(runners))) {
    const [, runner, session_id] = /^\/([^/]+)\/sessions\/([^/]+)/.exec(cwd.slice(agentsFolder.length)) ?? [];
    if (session_id) hosts.set(session_id, (hosts.get(session_id) ?? new Set()).add(runner));
  }
  for (const [session_id, on] of hosts) {
    if (on.size > 1) ledger.overlaps.push({ session_id, runners: [...on], at: Date.now() });
  }
}

async function untilQuiet(cluster, sessions) {
  const endsAt = Date.now() + QUIET_WITHIN_MS + sessions * 500;
  for (let unrest; ; await sleep(1_000, undefined, { signal })) {
    const now = await readUnrest(cluster);
    if (Object.values(now).every((count) => count === 0) || Date.now() > endsAt) return;
    if (JSON.stringify(now) !== JSON.stringify(unrest)) {
      say(`${now.turns} turns, ${now.jobs} jobs, ${now.transcripts} transcripts are left`);
    }
    unrest = now;
  }
}

/** Agents, their children and watchdogs that are there although no turn is. */
async function orphansOf({ agentsFolder, runners }) {
  const endsAt = Date.now() + AGENTS_END_WITHIN_MS;
  for (;;) {
    const left = livingAgents(agentsFolder, pidsOf(runners));
    if (!left.length || Date.now() > endsAt) return left.map(({ pid, cwd, command }) => `${pid} in ${cwd}: ${command}`);
    await sleep(500, undefined, { signal });
  }
}

function pidsOf(members) {
  return members.map(({ pid }) => pid);
}

/** Viewers come again by themselves; give them the time for it. */
async function untilShown({ logs }, { shown }) {
  const isShown = () =>
    [...shown].every(([session_id, seen]) => seen.length >= (logs.get(session_id)?.events.length ?? 0));
  for (const endsAt = Date.now() + VIEWERS_WITHIN_MS; !isShown() && Date.now() < endsAt;) {
    await sleep(200, undefined, { signal });
  }
}

function progressOf({ prompts, commands, answers, appends, shown }) {
  const accepted = prompts.filter(({ answer }) => answer?.status < 300).length;
  return `${prompts.length} prompts (${accepted} accepted), ${commands.length} other commands, ${answers.length} answers, ${appends.length} appends, ${shown.size} viewers`;
}

function describe(counts, ledger, { turns, interactions, logs }) {
  const tally = (values) => {
    const found = {};
    for (const value of values) found[value] = (found[value] ?? 0) + 1;
    return Object.entries(found)
      .map(([value, count]) => `${value} ${count}`)
      .join(', ');
  };
  const attempts = [...logs.values()].flatMap(({ history }) =>
    [...history.turns.values()].flatMap((turn) => turn.attempts),
  );
  const ended = (how) => attempts.filter(({ end }) => end === how).length;
  const events = [...logs.values()].reduce((sum, log) => sum + log.events.length, 0);
  print(
    [
      '',
      `faults: ${Object.entries(counts)
        .map(([kind, count]) => `${kind} ${count}`)
        .join(', ')}`,
      `told: ${progressOf(ledger)}`,
      `answers to prompts: ${tally(ledger.prompts.map(({ answer }) => answer && (answer.body?.code ?? answer.status)))}`,
      `answers to commands: ${tally(ledger.commands.map(({ command, answer }) => `${command} ${answer && (answer.body?.code ?? answer.status)}`))}`,
      `turns: ${tally(turns.map(({ status, error }) => (error ? `${status} (${error.code})` : status)))}`,
      `answers to questions: ${tally(ledger.answers.map(({ answer }) => answer && (answer.body?.code ?? answer.status)))}`,
      `questions: ${tally(interactions.map(({ status }) => status))}`,
      `attempts: ${attempts.length}, ${ended('lost')} of them lost, ${ended('handed_over')} handed over; events: ${events}`,
      '',
    ].join('\n'),
  );
}

function say(text) {
  console.error(`${((Date.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${text}`);
}

function print(text) {
  console.log(text);
  return 0;
}

function aborted() {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as nextTick } from 'node:timers/promises';
import { RequestError } from '@agentclientprotocol/sdk/unstable';
import type { Usage } from '@agentclientprotocol/sdk/unstable';
import { playDemo } from './demo.js';
import { DirectiveError, parseScript, type Step } from './directives.js';
import { writeWithPermission } from './file-writing.js';
import type { Turn } from './turn.js';

const outlivesTestsMs = 10 * 60_000;
const eaten: Buffer[] = [];

/** What a finished script leaves for the answer to the prompt. */
export interface ScriptResult {
  usage?: Usage;
}

/** Plays the steps in order; a script of nothing but text is the demonstration. Throws what ends the turn early. */
export async function playScript(turn: Turn, prompt: string, steps: readonly Step[]): Promise<ScriptResult> {
  const result: ScriptResult = {};
  if (steps.every((step) => step.do === 'text')) await playDemo(turn, prompt);
  else await playSteps(turn, steps, result);
  while (!turn.end()) await playSteered(turn, result);
  return result;
}

async function playSteps(turn: Turn, steps: readonly Step[], result: ScriptResult): Promise<void> {
  for (const step of steps) {
    await playSteered(turn, result);
    if (step.do === 'usage') result.usage = usageOf(step.tokens);
    else if (step.do === 'listen') await turn.untilSteered(outlivesTestsMs);
    else await playStep(turn, step);
  }
}

/** What was handed in meanwhile; of a script that is malformed, the text. */
async function playSteered(turn: Turn, result: ScriptResult): Promise<void> {
  for (let prompt = turn.takeSteered(); prompt !== undefined; prompt = turn.takeSteered()) {
    await playSteps(turn, stepsOf(prompt), result);
  }
}

function stepsOf(prompt: string): Step[] {
  try {
    return parseScript(prompt);
  } catch (error) {
    if (error instanceof DirectiveError) return [{ do: 'text', text: prompt }];
    throw error;
  }
}

async function playStep(turn: Turn, step: Exclude<Step, { do: 'usage' | 'listen' }>): Promise<void> {
  switch (step.do) {
    case 'text':
      return turn.sayWords(step.text);
    case 'say':
      return turn.say(step.text);
    case 'think':
      return turn.think(step.text);
    case 'plan':
      return turn.plan(step.entries);
    case 'stream':
      return stream(turn, step.count, step.everyMs);
    case 'flood':
      return flood(turn, step.count);
    case 'tool':
      return turn.tool({ title: step.title, kind: 'execute' }, async () => `${step.title}: done`);
    case 'call':
      return call(turn, step.tool, step.input);
    case 'ask':
      return ask(turn, step.title);
    case 'write':
      return write(turn, step.path, step.text);
    case 'recall':
      return turn.say(earlierPrompts(turn));
    case 'stderr':
      process.stderr.write(`${step.text}\n`);
      return;
    case 'fork':
      return turn.say(String(startChild()));
    case 'spawn':
      return spawnMany(turn, step.count);
    case 'daemon':
      return turn.say(String(await startDaemon()));
    case 'eat':
      return eat(step.mebibytes);
    case 'noise':
      return noise(turn, step.count);
    case 'fail':
      throw new RequestError(-32603, step.message);
    case 'crash':
      return process.exit(1);
    case 'hang':
      return turn.wait(outlivesTestsMs);
    case 'deaf':
      return goDeaf(turn);
  }
}

async function stream(turn: Turn, count: number, everyMs: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    await turn.wait(everyMs);
    await turn.say(`chunk ${number} `);
  }
}

async function flood(turn: Turn, count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    await turn.say(`${number} `.padEnd(1023, '.') + '\n');
    // A reader that keeps up never makes the writes wait; without a pause nothing could arrive, not even a cancel.
    if (number % 32 === 0) await nextTick();
  }
}

async function call(turn: Turn, tool: string, input: Record<string, unknown>): Promise<void> {
  await turn.tool({ title: tool, kind: 'other', rawInput: input }, () => turn.call(tool, input));
}

async function ask(turn: Turn, title: string): Promise<void> {
  const permitted = await turn.askAndRun({ title, kind: 'execute' }, async () => `${title}: done`);
  if (!permitted) await sayRefused(turn, title);
}

async function write(turn: Turn, path: string, text: string): Promise<void> {
  if (!(await writeWithPermission(turn, path, text))) await sayRefused(turn, `write ${path}`);
}

async function sayRefused(turn: Turn, what: string): Promise<void> {
  await turn.say(`I was not allowed to: ${what}\n`);
}

function earlierPrompts(turn: Turn): string {
  const earlier = turn.conversation.exchanges.slice(0, -1);
  if (!earlier.length) return 'No earlier prompts in this session.\n';
  return earlier.map(({ prompt }, index) => `${index + 1}. ${prompt}\n`).join('');
}

function startChild(): number | undefined {
  const child = spawn(process.execPath, ['-e', `setTimeout(() => {}, ${outlivesTestsMs})`], { stdio: 'ignore' });
  child.unref();
  return child.pid;
}

async function spawnMany(turn: Turn, count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    startChild();
    // Otherwise nothing could arrive, not even a cancel.
    await turn.wait(0);
  }
  await turn.say(`${count} children`);
}

/** Twice forked and in a session of its own, as a service does it. */
async function startDaemon(): Promise<string> {
  const lives = `process.on('SIGTERM', () => {}); process.stdout.write(String(process.pid)); setTimeout(() => {}, ${outlivesTestsMs})`;
  const forks = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(lives)}], { detached: true, stdio: ['ignore', 'inherit', 'ignore'] }).unref()`;
  const parent = spawn(process.execPath, ['-e', forks], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [[pid]] = await Promise.all([once(parent.stdout, 'data'), once(parent, 'exit')]);
  parent.stdout.destroy();
  return String(pid);
}

function eat(mebibytes: number): void {
  // Filled, or the system would give the memory only in name.
  for (let number = 0; number < mebibytes; number += 1) eaten.push(Buffer.alloc(1024 * 1024, 1));
}

async function noise(turn: Turn, count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    if (!process.stderr.write(`${number} `.padEnd(1023, '.') + '\n')) await turn.wait(1);
  }
}

function goDeaf(turn: Turn): void {
  turn.ignoreCancel();
  process.on('SIGTERM', () => process.stderr.write('ignoring SIGTERM\n'));
  process.stdin.once('end', () => process.stderr.write('ignoring the end of stdin\n'));
  // Also keeps the process alive when stdin closes.
  setTimeout(() => process.exit(1), outlivesTestsMs);
}

function usageOf(tokens: number): Usage {
  const outputTokens = Math.floor(tokens / 2);
  return { inputTokens: tokens - outputTokens, outputTokens, totalTokens: tokens };
}

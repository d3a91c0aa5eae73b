import { spawn } from 'node:child_process';
import { setImmediate as nextTick } from 'node:timers/promises';
import { RequestError } from '@agentclientprotocol/sdk/unstable';
import type { Usage } from '@agentclientprotocol/sdk/unstable';
import { playDemo } from './demo.js';
import type { Step } from './directives.js';
import { writeWithPermission } from './file-writing.js';
import type { Turn } from './turn.js';

const outlivesTestsMs = 10 * 60_000;

/** What a finished script leaves for the answer to the prompt. */
export interface ScriptResult {
  usage?: Usage;
}

/** Plays the steps in order; a script of nothing but text is the demonstration. Throws what ends the turn early. */
export async function playScript(turn: Turn, prompt: string, steps: readonly Step[]): Promise<ScriptResult> {
  const result: ScriptResult = {};
  if (steps.every((step) => step.do === 'text')) {
    await playDemo(turn, prompt);
    return result;
  }
  for (const step of steps) {
    if (step.do === 'usage') result.usage = usageOf(step.tokens);
    else await playStep(turn, step);
  }
  return result;
}

async function playStep(turn: Turn, step: Exclude<Step, { do: 'usage' }>): Promise<void> {
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

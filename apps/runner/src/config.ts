import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { AgentLimits } from './agent-limits.js';
import { readHarnessCommands, type HarnessCommands } from './cli-drive/harness-commands.js';

/** What this runner was told to do. */
export interface RunnerConfig {
  url: string;
  key: string;
  folder: string;
  /** Where the agents of all sessions work; null for a folder of each session's own. */
  workFolder: string | null;
  /** Besides the pool of this machine alone. */
  pools: readonly string[];
  /** What it says of itself, each as `key=value`; a turn that asks for labels goes to a runner that has them all. */
  labels: readonly string[];
  capacity: number;
  /** For each turn. */
  limits: AgentLimits;
  /** How often what an agent's harness wrote of a conversation is saved while its turn runs, in seconds. */
  captureSeconds: number;
  /** Whether it stops when its stdin ends, because whoever started it is gone. */
  stopsWithStdin: boolean;
  /** Where agents installed for Holdfast are found, besides the PATH. */
  agentsFolder: string | null;
  /** What replaces the command lines of harnesses that are not driven over ACP. */
  harnessCommands: HarnessCommands;
  log: { level: string; isPretty: boolean };
  /** All that this process was started with; each harness says what of it an agent may see. */
  environment: Readonly<Record<string, string | undefined>>;
}

/** All that is wrong with the environment, one sentence each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const maxCapacity = 1_000;
const maxLabels = 20;
const poolForm = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const labelForm = /^[a-z0-9][a-z0-9_./-]{0,62}=[A-Za-z0-9_./-]{1,63}$/;
/** A week; what a timer can hold is three. */
const maxTurnMinutes = 7 * 24 * 60;

/** Reads the environment once; throws a ConfigError that names every problem. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): RunnerConfig {
  const problems: string[] = [];
  const check = <T>(isSound: boolean, problem: string, value: T): T => {
    if (!isSound) problems.push(problem);
    return value;
  };
  const url = environment.HOLDFAST_URL ?? '';
  const key = environment.HOLDFAST_RUNNER_KEY ?? '';
  const folder = environment.HOLDFAST_RUNNER_DIR ?? '';
  const workFolder = environment.HOLDFAST_WORK_DIR || null;
  const pools = listOf(environment.HOLDFAST_POOLS ?? 'default');
  const labels = listOf(environment.HOLDFAST_LABELS);
  const level = environment.LOG_LEVEL ?? 'info';
  const wholeNumber = (name: string, fallback: number, max: number): number => {
    const value = Number(environment[name] ?? fallback);
    const isSound = environment[name] !== '' && Number.isInteger(value) && value >= 1 && value <= max;
    return check(isSound, `${name} must be a whole number from 1 to ${max}.`, value);
  };

  const config: RunnerConfig = {
    url: check(isHttpUrl(url), 'HOLDFAST_URL must be the http(s) address of the api, as http://127.0.0.1:8080.', url),
    key: check(key !== '', 'HOLDFAST_RUNNER_KEY must be a runner key (hf_runner_…).', key),
    folder: resolve(check(folder !== '', 'HOLDFAST_RUNNER_DIR must be a folder that this runner alone uses.', folder)),
    workFolder: check(
      workFolder === null || (isAbsolute(workFolder) && isFolder(workFolder)),
      `HOLDFAST_WORK_DIR must be the absolute path of a folder that is there; ${workFolder} is not.`,
      workFolder,
    ),
    pools: check(
      pools.every((pool) => poolForm.test(pool)),
      'HOLDFAST_POOLS must be names of pools, separated by commas; a name has lower case letters, digits, - and _.',
      pools,
    ),
    labels: check(
      labels.length <= maxLabels && labels.every((label) => labelForm.test(label)),
      `HOLDFAST_LABELS must be at most ${maxLabels} of key=value, separated by commas: lower case letters, digits and _ . / - in a key, any case in a value.`,
      labels,
    ),
    capacity: wholeNumber('HOLDFAST_CAPACITY', 4, maxCapacity),
    limits: {
      processes: wholeNumber('HOLDFAST_MAX_PROCESSES', 512, 100_000),
      memoryMib: wholeNumber('HOLDFAST_MAX_MEMORY_MIB', 8_192, 16 * 1024 * 1024),
      outputMib: wholeNumber('HOLDFAST_MAX_OUTPUT_MIB', 256, 1024 * 1024),
      turnMinutes: wholeNumber('HOLDFAST_MAX_TURN_MINUTES', 240, maxTurnMinutes),
    },
    captureSeconds: wholeNumber('HOLDFAST_CAPTURE_SECONDS', 5, 3_600),
    stopsWithStdin: environment.HOLDFAST_STOPS_WITH_STDIN === '1',
    agentsFolder: environment.HOLDFAST_AGENTS_DIR ? resolve(environment.HOLDFAST_AGENTS_DIR) : null,
    harnessCommands: readHarnessCommands(environment.HOLDFAST_HARNESS_COMMANDS, (problem) => problems.push(problem)),
    log: {
      level: check(logLevels.includes(level), `LOG_LEVEL must be one of ${logLevels.join(', ')}.`, level),
      isPretty: environment.LOG_PRETTY === '1' || environment.LOG_PRETTY === 'true',
    },
    environment: { ...environment },
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

function listOf(text = ''): string[] {
  if (text.trim() === '') return [];
  return text.split(',').map((item) => item.trim());
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

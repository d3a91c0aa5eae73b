import { resolve } from 'node:path';

/** What this runner was told to do. */
export interface RunnerConfig {
  url: string;
  key: string;
  folder: string;
  pools: readonly string[];
  capacity: number;
  /** Where agents installed for Holdfast are found, besides the PATH. */
  agentsFolder: string | null;
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
const poolForm = /^[a-z0-9][a-z0-9_-]{0,63}$/;

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
  const pools = (environment.HOLDFAST_POOLS ?? 'default').split(',').map((pool) => pool.trim());
  const capacity = Number(environment.HOLDFAST_CAPACITY ?? 4);
  const level = environment.LOG_LEVEL ?? 'info';
  const isCapacity = Number.isInteger(capacity) && capacity >= 1 && capacity <= maxCapacity;

  const config: RunnerConfig = {
    url: check(isHttpUrl(url), 'HOLDFAST_URL must be the http(s) address of the api, as http://127.0.0.1:8080.', url),
    key: check(key !== '', 'HOLDFAST_RUNNER_KEY must be a runner key (hf_runner_…).', key),
    folder: resolve(check(folder !== '', 'HOLDFAST_RUNNER_DIR must be a folder that this runner alone uses.', folder)),
    pools: check(
      pools.every((pool) => poolForm.test(pool)),
      'HOLDFAST_POOLS must be names of pools, separated by commas; a name has lower case letters, digits, - and _.',
      pools,
    ),
    capacity: check(isCapacity, `HOLDFAST_CAPACITY must be a whole number from 1 to ${maxCapacity}.`, capacity),
    agentsFolder: environment.HOLDFAST_AGENTS_DIR ? resolve(environment.HOLDFAST_AGENTS_DIR) : null,
    log: {
      level: check(logLevels.includes(level), `LOG_LEVEL must be one of ${logLevels.join(', ')}.`, level),
      isPretty: environment.LOG_PRETTY === '1' || environment.LOG_PRETTY === 'true',
    },
    environment: { ...environment },
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

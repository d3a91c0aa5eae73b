import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { UsageError } from './usage-error.js';

/** Which api to talk to. */
export interface Endpoint {
  url: string;
  apiKey: string;
}

/** What endpoint.json may hold. */
type Written = Partial<Endpoint> & { runnerKey?: string; runner_key?: string };

interface Given {
  url?: string;
  key?: string;
}

type Environment = Record<string, string | undefined>;

const FOLDER = '.holdfast';
const FILE = 'endpoint.json';

/**
 * The endpoint from --url and --key; what they leave open from endpoint.json in HOLDFAST_HOME or, without that variable,
 * in .holdfast/ of this folder or the nearest one above it; then from HOLDFAST_URL and HOLDFAST_API_KEY. Throws UsageError.
 */
export function endpoint(given: Given, cwd = process.cwd(), environment: Environment = process.env): Endpoint {
  const home = environment['HOLDFAST_HOME'];
  const written = home ? readEndpoint(join(home, FILE)) : endpointFile(cwd);
  const fromEnvironment = { url: environment['HOLDFAST_URL'], apiKey: environment['HOLDFAST_API_KEY'] };
  const url = given.url ?? written?.url ?? fromEnvironment.url;
  // A key goes only to the url that it was written down with.
  const paired = [written, fromEnvironment].find((source) => source?.apiKey && source.url === url);
  const unpaired = fromEnvironment.url ? undefined : fromEnvironment.apiKey;
  const apiKey = given.key ?? paired?.apiKey ?? unpaired;
  if (url && apiKey) return { url: validUrl(url), apiKey };
  throw new UsageError(
    `No ${url ? `key for ${url}` : 'Holdfast api'} is known. Do one of these:\n` +
      '  npm start                            and work below its folder, where it writes .holdfast/endpoint.json\n' +
      '  holdfast --url URL --key KEY …       to name an api yourself\n' +
      '  HOLDFAST_URL=… HOLDFAST_API_KEY=…    in the environment, for scripts',
  );
}

/**
 * The runner key for the api at `url`: HOLDFAST_RUNNER_KEY, else the one that endpoint.json has with that url. Throws
 * UsageError.
 */
export function runnerKey(url: string, cwd = process.cwd(), environment: Environment = process.env): string {
  const home = environment['HOLDFAST_HOME'];
  const written = home ? readEndpoint(join(home, FILE)) : endpointFile(cwd);
  const isPaired = written?.url !== undefined && validUrl(written.url) === url;
  const key = environment['HOLDFAST_RUNNER_KEY'] || (isPaired ? (written.runnerKey ?? written.runner_key) : undefined);
  if (key) return key;
  throw new UsageError(
    `No runner key for ${url} is known; a local run has this machine host the agent. Do one of these:\n` +
      '  npm start                            and work below its folder, where it writes .holdfast/endpoint.json\n' +
      '  HOLDFAST_RUNNER_KEY=hf_runner_… …    with a key that an administrator of the project has made for you',
  );
}

/** The program of a runner, which belongs to this one. */
export function runnerProgram(): string {
  return createRequire(import.meta.url).resolve('@holdfast/runner');
}

/** The folder for what this machine remembers, as the XDG base directory specification has it. */
export function stateFolder(environment: Environment = process.env): string {
  return join(environment['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'holdfast');
}

/** What the user's shell has set, for the agent programs of this machine: where they keep what they keep. */
export function userEnvironment(): Environment {
  return process.env;
}

/** no-color.org */
export function wantsColour(isTerminal: boolean, environment: Environment = process.env): boolean {
  return isTerminal && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb';
}

/** How the person who reads this calls the program. */
export function programName(environment: Environment = process.env): string {
  return environment['npm_command'] === 'exec' ? 'npx holdfast' : 'holdfast';
}

function endpointFile(folder: string): Written | undefined {
  const written = readEndpoint(join(folder, FOLDER, FILE));
  return written || dirname(folder) === folder ? written : endpointFile(dirname(folder));
}

function readEndpoint(file: string): Written | undefined {
  const text = readIfThere(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Written;
  } catch {
    throw new UsageError(`${file} does not hold JSON. Run npm start to write it again, or remove it.`);
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new UsageError(`The endpoint cannot be read: ${message}`);
  }
}

function validUrl(url: string): string {
  if (URL.canParse(url) && /^https?:/.test(url)) return new URL(url).href.replace(/\/+$/, '');
  throw new UsageError(`"${url}" is not an http address such as http://127.0.0.1:4300.`);
}

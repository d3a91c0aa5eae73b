import { createRequire } from 'node:module';
import path from 'node:path';
import type { SessionTurnGrant } from '@holdfast/client';
import {
  agentEnvironment,
  HARNESSES,
  locateHarness,
  searchFolders,
  type AcpHarness,
  type HarnessLaunch,
  type SearchPath,
} from '@holdfast/harnesses';
import { AgentConnection } from './agent-connection.js';
import { AgentProcess, type AgentLaunch } from './agent-process.js';
import { CliLauncher } from './cli-drive/cli-launcher.js';
import type { HarnessCommands } from './cli-drive/harness-commands.js';
import type { PreparedAgent } from './driven-agent.js';
import { TurnFailure } from './turn-failure.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What an agent that no harness describes gets: the common variables and its revision's own. */
const undescribed = { passes: [], settings: {} };

/** Finds the program that a grant asks for on this machine. */
export class AgentLauncher {
  constructor(
    /** Where agents were installed with npm; null for the PATH alone. */
    private readonly agentsFolder: string | null,
    private readonly runnerEnvironment: Environment,
    /** What replaces the command lines of harnesses that are not driven over ACP. */
    private readonly harnessCommands: HarnessCommands = {},
  ) {}

  /** What hosts the turn; starts nothing. Throws what `find` throws. */
  prepare(grant: SessionTurnGrant): PreparedAgent {
    if (grant.drive === 'cli') {
      return new CliLauncher(this.search, this.runnerEnvironment, this.harnessCommands).prepare(grant);
    }
    const launch = this.find(grant);
    return {
      environment: launch.environment,
      searchPath: searchFolders(this.search).join(path.delimiter),
      start: (terms, client) => new AgentConnection(new AgentProcess(launch, terms), client),
    };
  }

  /** Throws harness_not_found with what to install, and model_not_supported. */
  find(grant: SessionTurnGrant): AgentLaunch {
    const harness = HARNESSES.find(({ name }) => name === grant.harness);
    const { command, args, programs } = this.locate(grant);
    const revision = { ...programs, ...grant.environment, ...modelSetting(grant, harness) };
    return { command, args, environment: agentEnvironment(harness ?? undescribed, this.runnerEnvironment, revision) };
  }

  private get search(): SearchPath {
    return { agentsFolder: this.agentsFolder, path: this.runnerEnvironment.PATH ?? '' };
  }

  private locate({ harness, command }: SessionTurnGrant): HarnessLaunch {
    if (command?.[0] !== undefined) return { command: command[0], args: command.slice(1), programs: {} };
    if (harness === 'scripted') {
      const program = createRequire(import.meta.url).resolve('@holdfast/scripted-agent');
      return { command: process.execPath, args: [program], programs: {} };
    }
    if (harness === 'acp') throw notFound('An agent of the harness acp needs a command.');

    const known = HARNESSES.find(({ name }) => name === harness);
    if (!known) throw notFound(`This runner does not know the harness ${harness}.`);
    const found = locateHarness(known, this.search);
    if (found) return found;
    const programs = [known.command, ...Object.values(known.drives)].join(' and ');
    throw notFound(
      `The harness ${harness} needs ${programs} on the runner's machine. Install it there: ${known.install}`,
    );
  }
}

/** A model that nobody could be told of must not be passed over in silence. */
function modelSetting(
  { model, harness, agent }: SessionTurnGrant,
  known: AcpHarness | undefined,
): Record<string, string> {
  if (!model) return {};
  if (known?.modelVariable) return { [known.modelVariable]: model };
  throw new TurnFailure(
    'model_not_supported',
    `The harness ${harness} takes no model from outside. Leave it out of the agent "${agent.name}", and set it in the harness's own configuration.`,
  );
}

function notFound(message: string): TurnFailure {
  return new TurnFailure('harness_not_found', message);
}

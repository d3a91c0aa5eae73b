import path from 'node:path';
import type { SessionTurnGrant } from '@holdfast/client';
import {
  agentEnvironment,
  HARNESSES,
  locateProgram,
  nativeHarness,
  searchFolders,
  type AcpHarness,
  type NativeHarness,
  type SearchPath,
} from '@holdfast/harnesses';
import type { PreparedAgent } from '../driven-agent.js';
import { TurnFailure } from '../turn-failure.js';
import { CliAgent, type CliProgram } from './cli-agent.js';
import { CLI_DIALECTS } from './cli-dialects.js';
import type { CliDialect } from './cli-output.js';
import { filledIn, type CommandTemplate, type HarnessCommands } from './harness-commands.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** A harness whose command line can be driven. */
interface DrivenHarness {
  described: AcpHarness;
  native: NativeHarness;
  dialect: CliDialect;
}

/** Finds the command line that a grant asks for on this machine. */
export class CliLauncher {
  constructor(
    private readonly search: SearchPath,
    private readonly runnerEnvironment: Environment,
    private readonly commands: HarnessCommands,
  ) {}

  /** What hosts the turn; starts nothing. Throws harness_not_found with what to install. */
  prepare(grant: SessionTurnGrant): PreparedAgent {
    const harness = drivenHarness(grant.harness);
    const environment = agentEnvironment(harness.described, this.runnerEnvironment, grant.environment);
    const program: CliProgram = {
      harness: grant.harness,
      dialect: harness.dialect,
      environment,
      // What replaces its own command may be another program.
      takesTools: !this.templates(grant),
      // Claude Code has a tool for it; of the others a question is a no.
      isBridged: grant.harness === 'claude' && grant.approvals === 'ask' && !this.templates(grant),
      command: this.commandOf(grant, harness, environment),
    };
    return {
      environment,
      searchPath: searchFolders(this.search).join(path.delimiter),
      start: (terms, client) => new CliAgent(program, terms, client),
    };
  }

  private commandOf(
    grant: SessionTurnGrant,
    { described, native }: DrivenHarness,
    environment: Environment,
  ): CliProgram['command'] {
    const templates = this.templates(grant);
    // So that a program that is missing is told before anything is done for the turn.
    const own = templates?.fresh && templates.resume ? '' : this.locate(native.name, described);
    return ({ text: prompt, cwd, nativeId, isResume }) => {
      const template: CommandTemplate | undefined = isResume ? templates?.resume : templates?.fresh;
      if (template) return { ...filledIn(template, { prompt, native_id: nativeId, cwd }), env: {}, files: [] };
      const { model, approvals } = grant;
      const request = { place: { env: environment, cwd }, native_id: nativeId, prompt, approvals, model };
      const { argv, ...command } = isResume ? native.resumeCommand(request) : native.freshCommand(request);
      return { ...command, argv: [own, ...argv.slice(1)] };
    };
  }

  private templates({ harness, approvals }: SessionTurnGrant) {
    const templates = this.commands[harness];
    return approvals === 'bypass' ? templates?.bypass : templates;
  }

  private locate(program: string, { install }: AcpHarness): string {
    const found = locateProgram(program, this.search);
    if (found) return found;
    throw notFound(`The command line of ${program} is not on the runner's machine. Install it there: ${install}`);
  }
}

function drivenHarness(name: string): DrivenHarness {
  const described = HARNESSES.find((harness) => harness.name === name);
  const native = nativeHarness(name);
  const dialect = CLI_DIALECTS[name];
  if (described && native && dialect) return { described, native, dialect };
  throw notFound(`This runner drives no command line of the harness ${name}.`);
}

function notFound(message: string): TurnFailure {
  return new TurnFailure('harness_not_found', message);
}

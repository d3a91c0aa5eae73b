import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { agentHome, type AgentHome, type RealAgentKind } from '@holdfast/testing';
import { service, type Service, type Stack } from '../test/stack.js';

const runnerDist = path.resolve(import.meta.dirname, '../../runner/dist');

/** Where a machine is: which stack it works for, which model its agents know, and where those are installed. */
export interface Surroundings {
  stack: Stack;
  modelUrl: string;
  agentsFolder: string;
}

/** A user's machine that runs a runner: the home, and the folder below which the sessions work, are its own. */
export class RunnerMachine {
  private constructor(
    private readonly homes: AgentHome[],
    private readonly folder: string,
    private readonly kept: string,
    private readonly runner: Service,
  ) {}

  /** Not running yet, so that files can be put into its home. */
  static async make(
    { stack, modelUrl, agentsFolder }: Surroundings,
    kinds: RealAgentKind[],
    variables: Record<string, string> = {},
  ): Promise<RunnerMachine> {
    const homes: AgentHome[] = [];
    for (const kind of kinds) homes.push(await agentHome(kind, modelUrl));
    const codexHome = homes[kinds.indexOf('codex')]?.home;
    const folder = path.join(stack.folder, randomUUID());
    const settings: Record<string, string> = {
      PATH: process.env['PATH'] ?? '',
      ...Object.assign({}, ...homes.map(({ env }) => env)),
      // One home has room for several programs where each is told its own part.
      ...(homes.length > 1 && codexHome && { CODEX_HOME: path.join(codexHome, '.codex') }),
      HOLDFAST_URL: stack.url,
      HOLDFAST_RUNNER_KEY: stack.keys.runner_key,
      HOLDFAST_RUNNER_DIR: folder,
      HOLDFAST_AGENTS_DIR: agentsFolder,
      HOLDFAST_CAPTURE_SECONDS: '1',
      ...variables,
    };
    const runner: Service = service('runner', path.join(runnerDist, 'main.js'), settings, async () => {
      if (!runner.output().includes('runner ready')) throw new Error('not ready yet');
    });
    return new RunnerMachine(homes, folder, path.join(stack.folder, `kept-${randomUUID()}`), runner);
  }

  get home(): string {
    return this.homes.at(-1)!.home;
  }

  /** Where turns wait that are for this machine alone. */
  get privatePool(): string {
    return readFileSync(path.join(this.folder, 'private-pool'), 'utf8');
  }

  workspace(session_id: string): string {
    return path.join(this.folder, 'sessions', session_id);
  }

  start(): Promise<void> {
    return this.runner.start();
  }

  stop(): Promise<void> {
    return this.runner.stop();
  }

  /** SIGKILL for whatever runs an agent here: its adapter, the program behind that, and their tools. */
  killAgents(): void {
    const agents = this.processes().filter(({ command }) => !isOfRunner(command));
    if (agents.length === 0) throw new Error('no agent runs on this machine');
    killAll(agents);
  }

  /** SIGKILL for everything on it, and all that it had is gone. */
  async lose(): Promise<void> {
    await this.runner.kill();
    killAll(this.processes());
    await this.removeHomes();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Off; its home and folder are kept as they are, but nowhere to be found. */
  async putAway(): Promise<void> {
    await this.runner.stop();
    renameSync(this.home, `${this.kept}-home`);
    renameSync(this.folder, `${this.kept}-folder`);
  }

  /** On again, with what it had then. */
  async bringBack(): Promise<void> {
    renameSync(`${this.kept}-home`, this.home);
    renameSync(`${this.kept}-folder`, this.folder);
    await this.runner.start();
  }

  async remove(): Promise<void> {
    await this.runner.stop();
    await this.removeHomes();
  }

  private async removeHomes(): Promise<void> {
    for (const home of this.homes) await home.remove();
  }

  private processes(): { pid: number; command: string }[] {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids.flatMap((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        if (!environment.includes(`HOME=${this.home}`)) return [];
        return [{ pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8') }];
      } catch {
        // It ended meanwhile, or it is another user's.
        return [];
      }
    });
  }
}

/** By its script: the arguments of an agent name the runner's bridge to its tools, too. */
function isOfRunner(command: string): boolean {
  const script = command
    .split('\0')
    .slice(1)
    .find((argument) => !argument.startsWith('-'));
  return script?.startsWith(runnerDist) ?? false;
}

function killAll(processes: { pid: number }[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It went with its parent.
    }
  }
}

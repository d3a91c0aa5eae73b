import { rm } from 'node:fs/promises';
import {
  nativeHarness,
  type NativeCommand,
  type NativeHarness,
  type NativeOrigin,
  type NativePlace,
} from '@holdfast/harnesses';
import type { PreparedAgent } from '../driven-agent.js';
import { runCommand, type CommandTerms } from './run-command.js';

/** Where a turn's agent keeps its conversations: a harness in the home that its variables name. */
export class NativeHome {
  /** Of a harness with a store of its own, since it was looked into. */
  private isInStore = false;

  private constructor(
    readonly harness: NativeHarness,
    readonly place: NativePlace,
    private readonly prepared: PreparedAgent,
    private readonly terms: CommandTerms,
  ) {}

  /** Undefined for a harness whose files nobody knows. */
  static of(
    harnessName: string,
    place: NativePlace,
    prepared: PreparedAgent,
    terms: CommandTerms,
  ): NativeHome | undefined {
    const harness = nativeHarness(harnessName);
    return harness && new NativeHome(harness, place, prepared, terms);
  }

  /**
   * Makes what the harness keeps in a store of its own the files that can be read; nothing for other harnesses. False when
   * its store does not have the conversation.
   */
  async takeOut(nativeId: string, signal: AbortSignal): Promise<boolean> {
    const { exchange } = this.harness;
    if (!exchange) return true;
    await rm(this.place.exchange!, { recursive: true, force: true });
    const { code, output, lastWords } = await this.run(exchange.exportCommand(this.place, nativeId), signal);
    if (code === null) throw new Error(`${this.harness.name} did not give the conversation out: ${lastWords}`);
    this.isInStore = code === 0;
    if (this.isInStore) await exchange.unpack(this.place, nativeId, output);
    return this.isInStore;
  }

  /** Gives the files that were written to the harness's own store; nothing for other harnesses. */
  async putIn(nativeId: string, signal: AbortSignal): Promise<void> {
    const { exchange } = this.harness;
    if (!exchange) return;
    const packed = await exchange.pack(this.place, nativeId);
    const commands = exchange.importCommands(this.place, nativeId, packed, { isThere: this.isInStore });
    for (const command of commands) {
      const { code, lastWords } = await this.run(command, signal);
      if (code !== 0) throw new Error(`${this.harness.name} did not take the conversation: ${lastWords}`);
    }
  }

  private run({ argv, env }: NativeCommand, signal: AbortSignal) {
    const [command, ...args] = argv;
    const environment = { ...this.prepared.environment, PATH: this.prepared.searchPath, ...env };
    return runCommand({ command, args, environment }, this.place.cwd, this.terms, signal);
  }
}

/** Where a harness that nothing is known of would keep what it keeps. */
export function unknownOrigin({ env, cwd }: NativePlace): NativeOrigin {
  const home = env.HOME ?? cwd;
  return { home, root: home, cwd };
}

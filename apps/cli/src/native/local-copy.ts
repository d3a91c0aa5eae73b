import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  NativeCapture,
  rehydrate,
  type LocatedFile,
  type NativeChange,
  type NativeCommand,
  type NativeHarness,
  type NativeMark,
  type NativeOrigin,
  type NativePlace,
  type StoredFile,
} from '@holdfast/harnesses';
import { userEnvironment } from '../config.js';
import { printable } from '../render/printable.js';
import { Progress } from '../terminal/progress.js';
import { runProgram, type ProgramEnd } from './run-program.js';

/** One conversation as the program of this machine's user has it, in the home that the environment names. */
export class LocalCopy {
  /** Of a program with a store of its own: whether that has the conversation. */
  private takenOut: Promise<boolean> | undefined;

  private constructor(
    readonly harness: NativeHarness,
    readonly nativeId: string,
    readonly place: NativePlace,
  ) {}

  /** What a program with a store of its own hands out lies in a temporary folder while `act` runs. */
  static async with<T>(
    harness: NativeHarness,
    nativeId: string,
    cwd: string,
    act: (copy: LocalCopy) => Promise<T>,
  ): Promise<T> {
    const exchange = harness.exchange && (await realpath(await mkdtemp(path.join(tmpdir(), 'holdfast-exchange-'))));
    try {
      return await act(new LocalCopy(harness, nativeId, { env: userEnvironment(), cwd, exchange }));
    } finally {
      if (exchange) await rm(exchange, { recursive: true, force: true });
    }
  }

  /** Its files, the main one first; empty where this machine does not have it. */
  async files(): Promise<LocatedFile[]> {
    const { harness, nativeId, place } = this;
    if (harness.exchange) await (this.takenOut ??= this.takeOut());
    return await harness.locate(place, nativeId);
  }

  origin(): Promise<NativeOrigin> {
    return this.harness.origin(this.place);
  }

  /** What it has otherwise than what is stored. */
  changesFrom(stored: NativeMark[]): Promise<NativeChange[]> {
    return new NativeCapture(this.harness, this.place, this.nativeId, stored).changes();
  }

  /** Writes a stored version over what is there, and makes it ready for the program to go on with. */
  async write(startedAt: string | null, stored: AsyncIterable<StoredFile>): Promise<{ name: string; path: string }[]> {
    const { harness, nativeId, place } = this;
    const before = await this.files();
    const written = await rehydrate(harness, place, { native_id: nativeId, started_at: startedAt }, stored);
    for (const { name, path: file } of before) {
      if (!written.some((one) => one.name === name)) await rm(file, { force: true });
    }
    await harness.settle?.(place, nativeId);
    if (!harness.exchange)
      return (await harness.locate(place, nativeId)).map(({ name, path: file }) => ({ name, path: file }));
    await this.putIn();
    return [];
  }

  private async takeOut(): Promise<boolean> {
    const { exchange, name } = this.harness;
    const { code, out, err } = await this.run(exchange!.exportCommand(this.place, this.nativeId));
    const isInStore = code === 0;
    if (isInStore) await exchange!.unpack(this.place, this.nativeId, out);
    // Where it is not known whether the program has it, an import could mix two pasts.
    else if (!/not found/i.test(err))
      throw new Error(`${name} did not hand the conversation out: ${printable(err).trim()}`);
    return isInStore;
  }

  private async putIn(): Promise<void> {
    const { exchange, name } = this.harness;
    const packed = await exchange!.pack(this.place, this.nativeId);
    const isThere = (await this.takenOut) === true;
    const commands = exchange!.importCommands(this.place, this.nativeId, packed, { isThere });
    for (const command of commands) {
      const { code, err } = await this.run(command);
      if (code !== 0) throw new Error(`${name} did not take the conversation: ${printable(err).trim()}`);
    }
  }

  private async run(command: NativeCommand): Promise<ProgramEnd> {
    const progress = new Progress(() => `waiting for ${command.argv.slice(0, 2).join(' ')}`);
    try {
      return await runProgram(command, this.place);
    } finally {
      progress.end();
    }
  }
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import {
  NativeCapture,
  nativeHarness,
  rehydrate,
  type NativeApprovals,
  type NativeCommand,
  type NativeHarness,
  type NativePlace,
} from '@holdfast/harnesses';
import { agentHome, type AgentHome, type RealAgentKind } from '@holdfast/testing';
import type { StoredConversation } from './stored-conversation.js';

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/** A user's machine with one real agent program, driven by nothing but its adapter's functions and command lines. */
export class NativeMachine {
  private constructor(
    readonly harness: NativeHarness,
    readonly place: NativePlace,
    private readonly agent: AgentHome,
    private readonly searchPath: string,
    private readonly folder: string,
  ) {}

  static async start(kind: RealAgentKind, modelUrl: string, agentsFolder: string, cwd: string): Promise<NativeMachine> {
    const agent = await agentHome(kind, modelUrl);
    const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'holdfast-machine-')));
    const bins = ['programs', 'adapters'].map((part) => path.join(agentsFolder, part, 'node_modules', '.bin'));
    const place = { env: agent.env, cwd: path.join(folder, cwd), exchange: path.join(folder, 'exchange') };
    await mkdir(place.cwd, { recursive: true });
    const searchPath = [...bins, process.env['PATH']].join(path.delimiter);
    return new NativeMachine(nativeHarness(kind)!, place, agent, searchPath, folder);
  }

  /** Runs one turn of a new conversation. Returns its id. */
  async begin(prompt: string, nativeId: string | null, approvals: NativeApprovals = 'bypass'): Promise<string> {
    const since = new Date();
    const request = { place: this.place, native_id: nativeId, prompt, approvals, model: null };
    const ran = await this.run(this.harness.freshCommand(request));
    if (ran.code !== 0) throw new Error(`${this.harness.name} exited with ${ran.code}: ${ran.err}\n${ran.out}`);
    if (nativeId) return nativeId;
    const told = /"(?:thread_id|sessionID)":"([\w-]+)"/.exec(ran.out)?.[1];
    const found = await this.harness.startedSince?.(this.place, since);
    if (!told || (found && !found.includes(told))) throw new Error(`${told} is not among ${found?.join()}`);
    return told;
  }

  /** Runs one turn of a conversation that this home has. */
  async goOn(nativeId: string, prompt: string): Promise<Ran> {
    await this.harness.settle?.(this.place, nativeId);
    const request = { place: this.place, native_id: nativeId, prompt, approvals: 'bypass' as const, model: null };
    return this.run(this.harness.resumeCommand(request));
  }

  /** Takes up what is new of the conversation. */
  async save(nativeId: string, stored: StoredConversation) {
    if (!(await this.unpack(nativeId))) throw new Error(`${this.harness.name} exports nothing of ${nativeId}`);
    const capture = new NativeCapture(this.harness, this.place, nativeId, stored.marks());
    return stored.save(capture, await this.harness.origin(this.place));
  }

  /** Brings the home's copy of the conversation to what is stored. */
  async restore(nativeId: string, stored: StoredConversation): Promise<void> {
    const isThere = await this.unpack(nativeId);
    await rehydrate(this.harness, this.place, { native_id: nativeId, started_at: null }, stored.stored());
    const { exchange } = this.harness;
    if (!exchange) return;
    const packed = await exchange.pack(this.place, nativeId);
    for (const command of exchange.importCommands(this.place, nativeId, packed, { isThere })) {
      const { code, err } = await this.run(command);
      if (code !== 0) throw new Error(`${command.argv.join(' ')} exited with ${code}: ${err}`);
    }
  }

  async run(command: NativeCommand): Promise<Ran> {
    for (const { path: file, merge, mode } of command.files) await mergeInto(file, merge, mode);
    const [program, ...args] = command.argv;
    const child = spawn(program, args, {
      cwd: this.place.cwd,
      env: { ...this.agent.env, PATH: this.searchPath, ...command.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    child.stdin.on('error', () => undefined).end(command.stdin ?? '');
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { code: code as number | null, out, err };
  }

  /** What a crash of the whole machine leaves of it. */
  async remove(): Promise<void> {
    await this.agent.remove();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** False where the program does not have the conversation; a program that keeps files has nothing to unpack. */
  private async unpack(nativeId: string): Promise<boolean> {
    const { exchange } = this.harness;
    if (!exchange) return true;
    const { code, out } = await this.run(exchange.exportCommand(this.place, nativeId));
    if (code === 0) await exchange.unpack(this.place, nativeId, Buffer.from(out));
    return code === 0;
  }
}

async function mergeInto(file: string, merge: Record<string, unknown>, mode: number): Promise<void> {
  const before = await readFile(file, 'utf8').catch(() => '{}');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(merged(JSON.parse(before) as Record<string, unknown>, merge)), { mode });
}

function merged(into: Record<string, unknown>, from: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(from).map(([key, value]) => {
    const isBranch = typeof value === 'object' && value !== null && !Array.isArray(value);
    return [
      key,
      isBranch ? merged((into[key] ?? {}) as Record<string, unknown>, value as Record<string, unknown>) : value,
    ];
  });
  return { ...into, ...Object.fromEntries(entries) };
}

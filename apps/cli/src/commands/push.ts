import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { HoldfastError, type HoldfastClient, type NativeBase, type NativeSaved } from '@holdfast/client';
import { NativeFileChanged, type NativeChange } from '@holdfast/harnesses';
import { AdvisedError } from '../failure.js';
import { LocalCopy } from '../native/local-copy.js';
import { missingHere, missingNativeId } from '../native/missing-conversation.js';
import { programOf } from '../native/programs.js';
import { branchOf, storedConversation } from '../native/stored-branches.js';
import { bytesText, countText } from '../render/amount.js';
import { Progress } from '../terminal/progress.js';
import type { Desk } from '../terminal/session-screen.js';
import { UsageError } from '../usage-error.js';

export interface PushOptions {
  harness: string;
  nativeId?: string;
  session: string;
  cwd?: string;
  json?: boolean;
}

/** What --json prints. */
export interface PushResult {
  /**
   * `created`: nothing was stored before. `updated`: what was new is stored. `branched`: the past differs, and what this
   * machine has is a branch. `up_to_date`: nothing is new. `behind`: nothing is new here, and more is stored.
   */
  result: 'created' | 'updated' | 'branched' | 'up_to_date' | 'behind';
  session_id: string;
  harness: string;
  native_id: string;
  conversation_id: string;
  branch_id: string;
  /** Whether turns of the session go on with that branch. */
  is_main_branch: boolean;
  version: number;
  /** Of files of lines; what is replaced as a whole counts as bytes only. */
  sent_lines: number;
  sent_bytes: number;
}

/** The agent may be writing, and others may push at the same time. */
const TRIES = 5;
const PAUSE_MS = 200;

/** Takes up what is new of a conversation of this machine. */
export async function push(desk: Desk, options: PushOptions, signal: AbortSignal): Promise<void> {
  const harness = programOf(options.harness);
  const cwd = path.resolve(options.cwd ?? '.');
  const { nativeId, session } = options;
  if (nativeId === undefined) throw await missingNativeId(harness, cwd);
  if (!harness.isNativeId(nativeId)) {
    throw new UsageError(`"${nativeId}" is no id of a conversation of ${harness.name}.`);
  }
  const result = await LocalCopy.with(harness, nativeId, cwd, async (copy) => {
    if ((await copy.files()).length === 0) throw await missingHere(copy);
    return await pushCopy({ client: desk.client, copy, session_id: session, signal }).catch((error: unknown) => {
      throw advised(error, desk.program, session);
    });
  });
  desk.terminal.write(options.json ? `${JSON.stringify(result)}\n` : textOf(result, desk.program));
}

interface Transfer {
  client: HoldfastClient;
  copy: LocalCopy;
  session_id: string;
  signal: AbortSignal;
}

async function pushCopy(transfer: Transfer): Promise<PushResult> {
  for (let tries = 1; ; tries++) {
    try {
      return await pushOnce(transfer);
    } catch (error) {
      const isPassing =
        error instanceof NativeFileChanged || (error instanceof HoldfastError && error.code === 'version_conflict');
      if (!isPassing || tries === TRIES) throw error;
      await pause(PAUSE_MS);
    }
  }
}

async function pushOnce(transfer: Transfer): Promise<PushResult> {
  const { client, copy, session_id } = transfer;
  const { harness, nativeId } = copy;
  const names = { session_id, harness: harness.name, native_id: nativeId };
  const stored = await storedConversation(client, names);
  const compared = stored && (await branchOf(client, stored, copy));
  const news = compared ? compared.comparison.news : await copy.changesFrom([]);
  const sent = new Sent();
  const saved = await saveNews(transfer, news, sent, compared?.base ?? null);
  if (!saved) {
    if (!compared) throw new UsageError(`${harness.name} has not written anything of ${nativeId} yet.`);
    const { branch, base, comparison } = compared;
    return {
      result: comparison.lacks ? 'behind' : 'up_to_date',
      ...names,
      conversation_id: base.conversation_id,
      branch_id: base.branch_id,
      is_main_branch: branch.is_main,
      version: base.version,
      ...sent.amounts,
    };
  }
  const { conversation_id, branch_id, version } = saved.version;
  return {
    result: !compared ? 'created' : saved.is_branch ? 'branched' : 'updated',
    ...names,
    conversation_id,
    branch_id,
    is_main_branch: !saved.is_branch && (compared?.branch.is_main ?? true),
    version,
    ...sent.amounts,
  };
}

async function saveNews(
  { client, copy, session_id, signal }: Transfer,
  news: NativeChange[],
  sent: Sent,
  base: NativeBase | null,
): Promise<NativeSaved | undefined> {
  const { harness, nativeId, place } = copy;
  const [main] = await harness.locate(place, nativeId);
  const save = {
    session_id,
    harness: harness.name,
    native_id: nativeId,
    origin: await harness.origin(place),
    ...(main && (await harness.describe(main.path))),
    save_point: 'push' as const,
    base,
  };
  const progress = new Progress(() => `sent ${bytesText(sent.amounts.sent_bytes)} so far`);
  try {
    return await client.saveNative(
      save,
      news.map((change) => sent.counting(change)),
      { signal },
    );
  } finally {
    progress.end();
  }
}

/** Counts what a save reads to send it. */
class Sent {
  readonly amounts = { sent_lines: 0, sent_bytes: 0 };

  counting(change: NativeChange): NativeChange {
    return change.kind === 'behind' ? change : { ...change, chunks: this.counted(change) };
  }

  private async *counted({ mode, chunks }: Exclude<NativeChange, { kind: 'behind' }>) {
    for await (const chunk of chunks) {
      yield chunk;
      if (mode === 'lines') this.amounts.sent_lines += chunk.lines;
      this.amounts.sent_bytes += chunk.data.length;
    }
  }
}

function advised(error: unknown, program: string, session: string): unknown {
  if (!(error instanceof HoldfastError)) return error;
  switch (error.code) {
    case 'session_in_use':
      return new AdvisedError(
        error,
        `Nothing was pushed: the session's agent may be writing the same conversation. Push again when the turn has ended:\n` +
          `  ${program} attach ${session}   shows it to its end\n` +
          `  ${program} cancel ${session}   ends it now`,
      );
    case 'version_conflict':
      return new AdvisedError(error, 'Others save the same conversation right now. Push again in a moment.');
    default:
      return error;
  }
}

function textOf(result: PushResult, program: string): string {
  const { session_id, harness, native_id, branch_id, version, sent_lines, sent_bytes } = result;
  const conversation = `${harness} conversation ${native_id}`;
  const onBranch = result.is_main_branch ? '' : ` of branch ${branch_id}`;
  const sent = `${countText(sent_lines, 'line')}, ${bytesText(sent_bytes)}`;
  const next = `  ${program} run "…" --session ${session_id} --agent ${harness}   goes on with it\n`;
  switch (result.result) {
    case 'created':
      return `pushed ${conversation} to session ${session_id}: ${sent}, version ${version}\n${next}`;
    case 'updated':
      return (
        `pushed what is new of ${conversation} to session ${session_id}: ${sent}, version ${version}${onBranch}\n` +
        (result.is_main_branch ? next : '')
      );
    case 'branched':
      return (
        `pushed ${conversation} to session ${session_id} as a branch: ${sent}, version ${version}${onBranch}\n` +
        `Its past is another one than what is stored, and nothing was merged. Turns of the session go on with what they went on with.\n` +
        `  ${program} pull ${session_id}   puts that on this machine\n` +
        `  ${program} pull ${session_id} --branch ${branch_id}   gets this branch on another machine\n`
      );
    case 'up_to_date':
      return `nothing is new: session ${session_id} has all of ${conversation} in version ${version}${onBranch}\n`;
    case 'behind':
      return (
        `nothing is new on this machine, and version ${version}${onBranch} has more of ${conversation}\n` +
        `  ${program} pull ${session_id}   gets it\n`
      );
  }
}

import path from 'node:path';
import {
  HoldfastError,
  type HoldfastClient,
  type SessionNativeConversation,
  type SessionNativeManifest,
} from '@holdfast/client';
import type { StoredFile } from '@holdfast/harnesses';
import { AdvisedError } from '../failure.js';
import { comparisonOf } from '../native/comparison.js';
import { setCommandFiles, type ChangedSettings } from '../native/command-files.js';
import { keepCopy } from '../native/keep-copy.js';
import { LocalCopy } from '../native/local-copy.js';
import { programOf } from '../native/programs.js';
import { branchOf } from '../native/stored-branches.js';
import { bytesText, countText } from '../render/amount.js';
import { printable } from '../render/printable.js';
import { Progress } from '../terminal/progress.js';
import type { Desk } from '../terminal/session-screen.js';
import { UsageError } from '../usage-error.js';
import { workFolder } from '../work-folder.js';

export interface PullOptions {
  cwd?: string;
  branch?: string;
  version?: number;
  harness?: string;
  overwrite?: boolean;
  json?: boolean;
}

/** What --json prints. */
export interface PullResult {
  /** `written`: the files are on this machine. `up_to_date`: they were. `ahead`: this machine has more, and it stays. */
  result: 'written' | 'up_to_date' | 'ahead';
  session_id: string;
  harness: string;
  native_id: string;
  conversation_id: string;
  branch_id: string;
  is_main_branch: boolean;
  version: number;
  /** The folder in which the conversation goes on. */
  cwd: string;
  /** What is in the program's folder; empty unless written, and for a program with a store of its own. */
  files: { name: string; path: string }[];
  /** Of the version. */
  bytes: number;
  /** Where what this machine had was copied to; null where nothing was lost. */
  kept: string | null;
  /** Settings of the program that it needs to go on with the conversation, and had not. */
  settings: ChangedSettings[];
  /** For a POSIX shell. */
  resume_command: string;
}

/** What this machine has is another past, and nowhere stored. */
class LocalCopyDiverged extends Error {
  override name = 'LocalCopyDiverged';
  readonly code = 'local_copy_diverged';
}

/** Puts a session's conversation into this machine's home, and tells how to go on with it. */
export async function pull(desk: Desk, session_id: string, options: PullOptions, signal: AbortSignal): Promise<void> {
  const { client, terminal, program } = desk;
  const cwd = await workFolder(options.cwd);
  const manifest = await manifestOf(client, session_id, options).catch((error: unknown) => {
    throw advised(error, program, session_id);
  });
  const { harness: name, native_id } = manifest.conversation;
  const result = await LocalCopy.with(programOf(name), native_id, cwd, (copy) =>
    pullInto(desk, copy, manifest, { ...options, signal }),
  );
  terminal.write(options.json ? `${JSON.stringify(result)}\n` : textOf(result, manifest.conversation, program));
}

async function pullInto(
  { client, program }: Desk,
  copy: LocalCopy,
  manifest: SessionNativeManifest,
  options: PullOptions & { signal: AbortSignal },
): Promise<PullResult> {
  const { harness, nativeId, place } = copy;
  const { conversation, version } = manifest;
  const { branch_id } = version;
  const command = harness.resumeCommand({
    place,
    native_id: nativeId,
    prompt: null,
    approvals: 'ask',
    model: null,
  });
  const told = {
    session_id: conversation.session_id,
    harness: harness.name,
    native_id: nativeId,
    conversation_id: conversation.conversation_id,
    branch_id,
    is_main_branch: conversation.branches.some((branch) => branch.is_main && branch.branch_id === branch_id),
    version: version.version,
    cwd: place.cwd,
    files: [],
    bytes: version.bytes,
    kept: null,
    settings: [],
    resume_command: command.display,
  };

  const standing = await standingOf(client, copy, manifest);
  if (standing === 'same') return { ...told, result: 'up_to_date' };
  if (standing === 'ahead' && !options.overwrite) return { ...told, result: 'ahead' };
  if (standing === 'diverged' && !options.overwrite) throw diverged(copy, conversation.session_id, program);

  const isUnsaved = standing === 'ahead' || standing === 'diverged';
  const kept = isUnsaved ? await keepCopy(copy) : null;
  const files = await write(client, copy, manifest, options.signal);
  return { ...told, result: 'written', files, kept, settings: await setCommandFiles(command.files) };
}

/**
 * What this machine has beside the version. `stored`: nothing, or nothing that is not stored, so nothing can be lost.
 * `ahead`: the version, and more. `diverged`: something that is stored nowhere, and not all of the version.
 */
async function standingOf(
  client: HoldfastClient,
  copy: LocalCopy,
  { conversation, files }: SessionNativeManifest,
): Promise<'stored' | 'same' | 'ahead' | 'diverged'> {
  if ((await copy.files()).length === 0) return 'stored';
  const mainName = copy.harness.mainName(copy.nativeId);
  const { news, lacks, isDiverged } = comparisonOf(await copy.changesFrom(files), mainName);
  if (news.length === 0) return lacks ? 'stored' : 'same';
  const nearest = await branchOf(client, conversation, copy);
  if (nearest.comparison.news.length === 0) return 'stored';
  return lacks || isDiverged ? 'diverged' : 'ahead';
}

async function write(
  client: HoldfastClient,
  copy: LocalCopy,
  { conversation, version }: SessionNativeManifest,
  signal: AbortSignal,
): Promise<{ name: string; path: string }[]> {
  const { conversation_id, started_at } = conversation;
  const { branch_id, version: number, bytes } = version;
  let received = 0;
  const progress = new Progress(() => `received ${bytesText(received)} of ${bytesText(bytes)} so far`);
  async function* stored(): AsyncGenerator<StoredFile> {
    const selector = { conversation_id, branch_id, version: number };
    const { files } = await client.readNativeFiles(selector, { signal });
    for await (const { mark, data } of files) yield { mark, data: counted(data) };
  }
  async function* counted(data: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
    for await (const part of data) {
      received += part.length;
      yield Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    }
  }
  try {
    return await copy.write(started_at?.toISOString() ?? null, stored());
  } finally {
    progress.end();
  }
}

/** The version that was asked for. */
async function manifestOf(
  client: HoldfastClient,
  session_id: string,
  { harness, branch, version }: PullOptions,
): Promise<SessionNativeManifest> {
  const { nativeTranscripts } = client;
  const newest = await nativeTranscripts.fetchSessionNativeManifest({ session_id, harness });
  if (branch === undefined && version === undefined) return newest;
  const { conversation_id } = newest.conversation;
  const branch_id = branch === undefined ? undefined : branchNamed(newest.conversation, branch);
  return await nativeTranscripts.fetchSessionNativeManifest({ conversation_id, branch_id, version });
}

/** The first characters of a branch's id name it as well. Throws UsageError. */
function branchNamed({ branches }: SessionNativeConversation, name: string): string {
  const found = branches.filter(({ branch_id }) => branch_id.startsWith(name));
  if (found.length === 1) return found[0]!.branch_id;
  throw new UsageError(
    `"${name}" names ${found.length === 0 ? 'no branch' : 'several branches'}.${branchList(branches)}`,
  );
}

function branchList(branches: SessionNativeConversation['branches']): string {
  const rows = branches.map(({ branch_id, is_main, version, updated_at, from_version }) => {
    const role = is_main ? 'main' : `from version ${from_version}`;
    return `\n  ${branch_id}  version ${version}, ${updated_at.toISOString().slice(0, 16).replace('T', ' ')} UTC, ${role}`;
  });
  return ` There are:${rows.join('')}`;
}

function diverged({ harness, nativeId, place }: LocalCopy, session: string, program: string): AdvisedError {
  const error = new LocalCopyDiverged(
    `What this machine has of ${harness.name} conversation ${nativeId} went another way than what is stored, and nothing was written.`,
  );
  const push = `${program} push --harness ${harness.name} --native-id ${nativeId} --session ${session}`;
  return new AdvisedError(
    error,
    `Do one of these:\n  ${push}${isHere(place.cwd) ? '' : ` --cwd ${quoted(place.cwd)}`}\n` +
      '      saves it as a branch; then pull again\n' +
      `  ${program} pull ${session} --overwrite\n` +
      '      copies it aside on this machine, and says where to',
  );
}

const isHere = (cwd: string) => path.resolve('.') === cwd;

const quoted = (text: string) => `'${printable(text).replaceAll("'", `'\\''`)}'`;

function advised(error: unknown, program: string, session: string): unknown {
  if (!(error instanceof HoldfastError)) return error;
  switch (error.code) {
    case 'resume_state_missing':
      return new AdvisedError(
        error,
        `Session "${session}" has a native transcript once a turn of it has run, or a conversation was pushed to it.\n` +
          `  ${program} sessions   lists the sessions\n  ${program} push --help`,
      );
    case 'harness_mismatch':
      return new AdvisedError(
        error,
        `Pull it without --harness, or run the session once with the other agent, which converts it:\n` +
          `  ${program} run "…" --session ${session} --agent …`,
      );
    default:
      return error;
  }
}

function textOf(result: PullResult, { branches }: SessionNativeConversation, program: string): string {
  const { session_id, harness, native_id, branch_id, version, files, bytes, kept, resume_command } = result;
  const conversation = `${harness} conversation ${native_id}`;
  const onBranch = result.is_main_branch ? '' : ` of branch ${branch_id}`;
  const amount = `${bytesText(bytes)}${files.length > 0 ? ` in ${countText(files.length, 'file')}` : ''}`;
  const lines = {
    written: `pulled version ${version}${onBranch} of ${conversation}: ${amount}`,
    up_to_date: `this machine has version ${version}${onBranch} of ${conversation} already; nothing was written`,
    ahead:
      `this machine is ahead of version ${version}${onBranch} of ${conversation}; nothing was written\n` +
      `  ${program} push --harness ${harness} --native-id ${native_id} --session ${session_id}   takes up what it has more`,
  };
  const others = branches.filter((branch) => branch.branch_id !== branch_id);
  return [
    lines[result.result],
    ...(kept === null ? [] : [`what was here before is kept in ${printable(kept)}`]),
    ...result.settings.map(settingsText),
    ...(others.length === 0 ? [] : [`other branches: ${others.map((branch) => branch.branch_id).join(', ')}`]),
    'go on with it:',
    `  ${resume_command}`,
  ]
    .map((text) => `${text}\n`)
    .join('');
}

function settingsText({ path: file, merge, is_set }: ChangedSettings): string {
  const what = `${JSON.stringify(merge)} in ${printable(file)}`;
  return is_set
    ? `set ${what}, without which the program would lose the conversation`
    : `set ${what} yourself: without it the program may lose the conversation, and the file has comments or is no JSON`;
}

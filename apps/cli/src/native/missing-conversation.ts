import { nativeHarness, type NativeHarness } from '@holdfast/harnesses';
import { userEnvironment } from '../config.js';
import { printable } from '../render/printable.js';
import { UsageError } from '../usage-error.js';
import type { LocalCopy } from './local-copy.js';
import { PROGRAMS } from './programs.js';

const SHOWN = 10;
/** Exit code for a command line that lacks something. */
const INCOMPLETE = 2;

/** How a program names its conversations itself, where their files do not tell. */
const LISTS: Record<string, string> = { opencode: 'opencode session list' };

/** No id was given: what there is to choose from. */
export async function missingNativeId(harness: NativeHarness, cwd: string): Promise<UsageError> {
  const recent = (await harness.recent?.({ env: userEnvironment(), cwd }, SHOWN)) ?? [];
  const folder = printable(cwd);
  if (recent.length > 0) {
    const rows = recent.map(({ native_id, modified_at }) => `\n  ${native_id}  ${timeText(modified_at)}`).join('');
    return new UsageError(
      `Say which conversation of ${harness.name}, with --native-id. Those of ${folder}, the newest first:${rows}`,
      INCOMPLETE,
    );
  }
  const list = LISTS[harness.name];
  const found = list ? `"${list}" lists them.` : `There is none of ${folder}; --cwd names another folder.`;
  return new UsageError(`Say which conversation of ${harness.name}, with --native-id. ${found}`, INCOMPLETE);
}

/** The id is not known here: where it was looked for, and which program knows it. */
export async function missingHere({ harness, nativeId, place }: LocalCopy): Promise<UsageError> {
  for (const name of PROGRAMS) {
    const other = nativeHarness(name)!;
    if (other === harness || other.exchange || !other.isNativeId(nativeId)) continue;
    if ((await other.locate(place, nativeId)).length > 0) {
      return new UsageError(`${nativeId} is a conversation of ${name} on this machine. Say --harness ${name}.`);
    }
  }
  const { root } = await harness.origin(place);
  const where = harness.exchange ? `${harness.name} on this machine has` : `Below ${printable(root)} there is`;
  return new UsageError(
    `${where} no conversation ${nativeId}.\n` +
      `Without --native-id the newest ones of a folder are shown; ${variablesOf(harness.name)} say where they are kept.`,
  );
}

function variablesOf(name: string): string {
  const own: Record<string, string> = {
    codex: 'CODEX_HOME and HOME',
    claude: 'CLAUDE_CONFIG_DIR and HOME',
    gemini: 'GEMINI_CLI_HOME, HOME and --cwd',
    opencode: 'XDG_DATA_HOME and HOME',
  };
  return own[name]!;
}

function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

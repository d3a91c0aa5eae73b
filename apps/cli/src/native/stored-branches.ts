import type { HoldfastClient, NativeBase, SessionNativeBranch, SessionNativeConversation } from '@holdfast/client';
import { comparisonOf, commonLines, type Comparison } from './comparison.js';
import type { LocalCopy } from './local-copy.js';

/** The newest version of a branch, and how a machine's copy compares with it. */
export interface ComparedBranch {
  branch: SessionNativeBranch;
  base: NativeBase;
  comparison: Comparison;
}

/** What is stored of a session's conversation; undefined when nothing is. */
export async function storedConversation(
  client: HoldfastClient,
  named: { session_id: string; harness: string; native_id: string },
): Promise<SessionNativeConversation | undefined> {
  const { data } = await client.nativeTranscripts.querySessionNativeConversations({
    SessionNativeConversationQuery: { ...named, limit: 1 },
  });
  return data[0];
}

/**
 * The branch that a copy belongs to: the first one, the main one before all, that has its past. Where its past is another
 * one than that of them all, the one it has most in common with.
 */
export async function branchOf(
  client: HoldfastClient,
  { conversation_id, branches }: Pick<SessionNativeConversation, 'conversation_id' | 'branches'>,
  copy: LocalCopy,
): Promise<ComparedBranch> {
  const mainName = copy.harness.mainName(copy.nativeId);
  let nearest: { compared: ComparedBranch; common: number } | undefined;
  for (const branch of branches) {
    const base = (await client.fetchNativeBase({ conversation_id, branch_id: branch.branch_id }))!;
    const changes = await copy.changesFrom(base.files);
    const compared = { branch, base, comparison: comparisonOf(changes, mainName) };
    if (!compared.comparison.isDiverged) return compared;
    const common = commonLines(changes, mainName);
    if (!nearest || common > nearest.common) nearest = { compared, common };
  }
  return nearest!.compared;
}

import type { SessionNativeConversation, SessionNativeVersion } from './dto/session-native-conversation.dto.js';
import type { SessionNativeFile } from './dto/session-native-file.dto.js';
import { byFile } from './native-part.rules.js';
import type { BranchRow, ChunkRow, ConversationRow, VersionRow } from './native-rows.js';

export function toSessionNativeVersion(row: VersionRow): SessionNativeVersion {
  const { conversation_id, version, branch_id, parent_version, save_point, turn_id, bytes, added_bytes } = row;
  return {
    conversation_id,
    version,
    branch_id,
    parent_version,
    save_point,
    turn_id,
    bytes,
    added_bytes,
    created_at: row.created_at.toISOString(),
    created_by_id: row.created_by_id,
  };
}

/** `branches` are those of the conversation, newest first. */
export function toSessionNativeConversation(
  row: ConversationRow,
  branches: BranchRow[],
  is_head: boolean,
): SessionNativeConversation {
  const isMain = ({ branch_id }: BranchRow) => branch_id === row.main_branch_id;
  const main = branches.find(isMain)!;
  return {
    conversation_id: row.conversation_id,
    session_id: row.session_id,
    harness: row.harness,
    native_id: row.native_id,
    harness_version: row.harness_version,
    started_at: row.started_at?.toISOString() ?? null,
    is_head,
    version: main.version,
    branches: [main, ...branches.filter((branch) => !isMain(branch))].map((branch) => ({
      branch_id: branch.branch_id,
      is_main: isMain(branch),
      from_version: branch.from_version,
      version: branch.version,
      updated_at: branch.updated_at.toISOString(),
    })),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/** `chunks` are in the order of their files and lines. */
export function toSessionNativeFiles(chunks: ChunkRow[]): SessionNativeFile[] {
  return byFile(chunks).map(([name, own]) => ({
    name,
    mode: own[0]!.mode,
    lines: own.reduce((sum, { lines }) => sum + lines, 0),
    bytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
    digest: own.at(-1)!.digest,
    chunks: own.map(({ from_line, lines, bytes, digest, sha256, origin }) => ({
      from_line,
      lines,
      bytes,
      digest,
      sha256,
      origin,
    })),
  }));
}

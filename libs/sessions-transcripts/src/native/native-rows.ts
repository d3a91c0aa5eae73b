import type { SessionNativeOrigin } from './dto/session-native-file.dto.js';
import type { FileMode, SavePoint } from './native-names.rules.js';

/** A row of native_conversations. */
export interface ConversationRow {
  project_id: string;
  conversation_id: string;
  session_id: string;
  harness: string;
  native_id: string;
  harness_version: string | null;
  started_at: Date | null;
  main_branch_id: string;
  newest_version: number;
  created_at: Date;
  updated_at: Date;
}

/** A row of native_branches. */
export interface BranchRow {
  conversation_id: string;
  branch_id: string;
  from_version: number | null;
  version: number;
  updated_at: Date;
}

/** A row of native_versions. */
export interface VersionRow {
  conversation_id: string;
  version: number;
  branch_id: string;
  parent_version: number | null;
  save_point: SavePoint;
  turn_id: string | null;
  bytes: number;
  added_bytes: number;
  created_at: Date;
  created_by_id: string | null;
}

/** A chunk of a file in a version. */
export interface ChunkRow {
  name: string;
  mode: FileMode;
  from_line: number;
  lines: number;
  bytes: number;
  digest: string;
  sha256: string;
  origin: SessionNativeOrigin;
}

/** A branch, as it is to be made when its save is finished. */
export interface Fork {
  from_version: number;
  keep: { name: string; lines: number }[];
  /** Turns go on with it, in place of the main branch that there was. */
  becomes_main?: boolean;
}

/** A row of native_saves. */
export interface SaveRow {
  project_id: string;
  save_id: string;
  session_id: string;
  conversation_id: string;
  branch_id: string;
  /** Null for the first version of a conversation. */
  base_version: number | null;
  fork: Fork | null;
  harness: string;
  native_id: string;
  harness_version: string | null;
  started_at: Date | null;
  origin: SessionNativeOrigin;
  turn_id: string | null;
  epoch: number | null;
  by_id: string | null;
  base_bytes: number;
  base_parts: number;
  staged_bytes: number;
  staged_parts: number;
  finished_version: number | null;
}

/** A row of native_save_parts. */
export type PartRow = Omit<ChunkRow, 'origin'>;

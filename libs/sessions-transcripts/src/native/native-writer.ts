import { NativeSaveNotFound } from './native-transcripts.errors.js';
import type { SaveRow } from './native-rows.js';

/** Who saves: an attempt of a turn, or a user who pushes. */
export type NativeWriter = { kind: 'turn'; turn_id: string; epoch: number } | { kind: 'user'; by_id: string };

/** Lets only whoever opened a save go on with it, or another user of the project. Throws native_save_not_found. */
export function requireOwnSave(save: SaveRow | undefined, save_id: string, writer: NativeWriter): SaveRow {
  const isOwn =
    save !== undefined &&
    (writer.kind === 'turn' ? save.turn_id === writer.turn_id && save.epoch === writer.epoch : save.turn_id === null);
  if (!isOwn) throw NativeSaveNotFound({ save_id });
  return save;
}

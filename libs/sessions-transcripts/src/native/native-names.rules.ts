/** What a harness may be called. The server keeps conversations of harnesses that it does not know, too. */
export const HARNESS_PATTERN = /^[a-z][a-z0-9_-]{0,63}$/;

/** What a harness may call a conversation: it becomes part of the names of files. */
export const NATIVE_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/;

/** sha256 in lower-case hex, of bytes or of canonical lines. */
export const SHA256_PATTERN = /^[0-9a-f]{64}$/;

export const FILE_MODES = ['lines', 'whole'] as const;

/** `lines`: append only, and its past is judged. `whole`: replaced when its bytes differ. */
export type FileMode = (typeof FILE_MODES)[number];

export const SAVE_POINTS = ['periodic', 'turn_end', 'hand_over', 'push', 'convert'] as const;

/** What a save was made for. */
export type SavePoint = (typeof SAVE_POINTS)[number];

/** Of the longest name of a file, in characters. */
export const MAX_FILE_NAME = 255;

/** First in every archive, so no file may have its name. */
export const MANIFEST_NAME = 'manifest.json';

const UNSAFE = /[\u0000-\u001f\u007f-\u009f\\\ud800-\udfff]/;

/**
 * Whether a file of a transcript may have this name: relative, `/` between its parts, none of them empty, `.` or `..`, no
 * control character, no backslash, at most 255 characters, and not the name of an archive's manifest.
 */
export function isFileName(name: unknown): name is string {
  if (typeof name !== 'string' || name.length > MAX_FILE_NAME || name === MANIFEST_NAME) return false;
  if (UNSAFE.test(name.replace(/[\ud800-\udbff][\udc00-\udfff]/g, ''))) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

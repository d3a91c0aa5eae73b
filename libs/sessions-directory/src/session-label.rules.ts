const KEY = /^[A-Za-z0-9_.-]{1,63}$/;
const MAX_LABELS = 32;
const MAX_VALUE = 256;

/** The limits of labels, in words. */
export const LABELS_RULE =
  `at most ${MAX_LABELS} labels; keys are 1 to 63 letters, digits, "_", "." or "-"; ` +
  `values are text of at most ${MAX_VALUE} characters`;

export function areLabels(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= MAX_LABELS &&
    entries.every(([key, text]) => KEY.test(key) && typeof text === 'string' && text.length <= MAX_VALUE)
  );
}

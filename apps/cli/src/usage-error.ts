/** Something that the user can put right; the message says how. */
export class UsageError extends Error {
  override name = 'UsageError';
}

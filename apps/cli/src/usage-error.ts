/** Something that the user can put right; the message says how. */
export class UsageError extends Error {
  override name = 'UsageError';

  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
  }
}

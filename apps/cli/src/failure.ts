import { HoldfastConnectionError, HoldfastError } from '@holdfast/client';
import { oneLine } from './render/printable.js';
import { UsageError } from './usage-error.js';

/** A failure with what to do about it, where only the command knows that. */
export class AdvisedError extends Error {
  override name = 'AdvisedError';

  constructor(
    override readonly cause: Error,
    readonly advice: string,
  ) {
    super(cause.message);
  }
}

/** What to tell about an error: never a stack. */
export function failureText(error: unknown): string {
  if (error instanceof AdvisedError) return `${failureText(error.cause)}\n${error.advice}`;
  if (error instanceof HoldfastError) return `error: ${error.detail} (${error.code})${problemLines(error)}`;
  if (error instanceof HoldfastConnectionError) {
    return `error: ${error.message}\nIs the api up? npm start brings it up on this machine.`;
  }
  return `error: ${error instanceof Error ? error.message : String(error)}`;
}

/** Stable, for programs: the api's code, or one of this machine's. */
export function failureCode(error: unknown): string {
  if (error instanceof AdvisedError) return failureCode(error.cause);
  if (error instanceof HoldfastConnectionError) return 'connection_failed';
  if (error instanceof UsageError) return 'usage_error';
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^[a-z_]+$/.test(code) ? code : 'failed';
}

export function failureExitCode(error: unknown): number {
  return error instanceof UsageError ? error.exitCode : 1;
}

function problemLines({ problem: { errors = [] } }: HoldfastError): string {
  return errors.map(({ pointer, detail }) => `\n  ${oneLine(pointer)}: ${oneLine(detail)}`).join('');
}

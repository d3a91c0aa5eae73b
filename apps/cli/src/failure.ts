import { HoldfastConnectionError, HoldfastError } from '@holdfast/client';
import { oneLine } from './render/printable.js';

/** What to tell about an error: never a stack. */
export function failureText(error: unknown): string {
  if (error instanceof HoldfastError) return `error: ${error.detail} (${error.code})${problemLines(error)}`;
  if (error instanceof HoldfastConnectionError) {
    return `error: ${error.message}\nIs the api up? npm start brings it up on this machine.`;
  }
  return `error: ${error instanceof Error ? error.message : String(error)}`;
}

function problemLines({ problem: { errors = [] } }: HoldfastError): string {
  return errors.map(({ pointer, detail }) => `\n  ${oneLine(pointer)}: ${oneLine(detail)}`).join('');
}

import { nativeHarness, type NativeHarness } from '@holdfast/harnesses';
import { UsageError } from '../usage-error.js';

/** The agent programs that people go on with in a terminal. */
export const PROGRAMS = ['codex', 'claude', 'gemini', 'opencode'];

/** Throws UsageError. */
export function programOf(name: string): NativeHarness {
  const harness = PROGRAMS.includes(name) ? nativeHarness(name) : undefined;
  if (harness) return harness;
  throw new UsageError(
    `The conversation is one of "${name}", which is no program for a terminal; those of ${PROGRAMS.join(', ')} can be pulled.`,
  );
}

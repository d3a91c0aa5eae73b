import { claudeFiles } from './claude-files.js';
import { codexFiles } from './codex-files.js';
import { conversationOf, type CrossingOmission, type CrossingRecord } from './conversation.js';
import type { CrossingTarget } from './crossing-target.js';
import type { NativeMode } from '../native/native-harness.js';

const WRITERS = { claude: claudeFiles, codex: codexFiles };

/** The harnesses that a conversation can be written for. */
export type CrossingHarness = keyof typeof WRITERS;

export function isCrossingHarness(name: string): name is CrossingHarness {
  return Object.hasOwn(WRITERS, name);
}

/**
 * The files of a native conversation that says what the records say: messages, tool calls and their results, in order.
 * The same records and target give the same bytes. Everything else is listed in `omitted`.
 */
export function nativeFromRecords(
  to: CrossingHarness,
  records: readonly CrossingRecord[],
  target: CrossingTarget,
): { files: { name: string; mode: NativeMode; data: Buffer }[]; omitted: CrossingOmission[] } {
  const { steps, omitted } = conversationOf(records);
  return { files: WRITERS[to](steps, target), omitted };
}

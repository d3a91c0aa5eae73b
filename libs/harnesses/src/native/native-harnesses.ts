import { claudeNative } from './claude.js';
import { codexNative } from './codex.js';
import { geminiNative } from './gemini.js';
import type { NativeHarness } from './native-harness.js';
import { opencodeNative } from './opencode.js';
import { scriptedNative } from './scripted.js';

/** The harnesses whose conversations can be taken to another machine. */
export const NATIVE_HARNESSES: readonly NativeHarness[] = [
  codexNative,
  claudeNative,
  geminiNative,
  opencodeNative,
  scriptedNative,
];

export function nativeHarness(name: string): NativeHarness | undefined {
  return NATIVE_HARNESSES.find((harness) => harness.name === name);
}

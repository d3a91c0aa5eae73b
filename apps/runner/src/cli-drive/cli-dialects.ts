import { claudeDialect } from './claude-output.js';
import type { CliDialect } from './cli-output.js';
import { codexDialect } from './codex-output.js';
import { geminiDialect } from './gemini-output.js';
import { opencodeDialect } from './opencode-output.js';

/** The harnesses whose command line is driven, by name. */
export const CLI_DIALECTS: Readonly<Record<string, CliDialect | undefined>> = {
  codex: codexDialect,
  claude: claudeDialect,
  gemini: geminiDialect,
  opencode: opencodeDialect,
};

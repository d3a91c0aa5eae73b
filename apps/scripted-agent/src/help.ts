import { directives } from './directives.js';

/** What `--help` prints. */
export function helpText(): string {
  const column = Math.max(...Object.values(directives).map(({ usage }) => usage.length)) + 6;
  const lines = Object.values(directives).map(({ usage, meaning }) => `  ${`[[${usage}]]`.padEnd(column)}${meaning}`);
  return `holdfast-scripted-agent: an agent without a model, for trying Holdfast out and for its tests.

It speaks the Agent Client Protocol (version 1) on stdin and stdout; a client such as the Holdfast runner starts it.
What a turn does is written in its prompt, as directives that run in order:

${lines.join('\n')}

Text between directives is streamed word by word. A prompt without directives plays a short demonstration.
Each session is kept in .scripted-agent/<session id>.jsonl in its working directory, for session/load and session/resume.
`;
}

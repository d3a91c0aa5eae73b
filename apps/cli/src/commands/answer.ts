import { DECISION_WORDS } from '../render/question.js';
import type { Desk } from '../terminal/session-screen.js';
import { UsageError } from '../usage-error.js';

export interface AnswerOptions {
  message?: string;
}

/** Answers a question from anywhere. */
export async function answer(desk: Desk, interaction_id: string, word: string, options: AnswerOptions): Promise<void> {
  const decision = DECISION_WORDS[word];
  if (!decision) throw new UsageError(`"${word}" is no answer. Say ${Object.keys(DECISION_WORDS).join(', ')}.`);
  const { session_id, verdict } = await desk.client.respond(interaction_id, { decision, message: options.message });
  desk.terminal.write(`answered ${verdict?.decision} in session ${session_id}\n`);
}

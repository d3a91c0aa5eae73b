import { redactionsIn } from './redactions.js';
import { toolUseOf, type ToolUse } from './tool-use.js';
import { textOfBlocks, type Fields } from './text-blocks.js';

/** What is read of a record of a session's transcript; `content` is as its type says (ACP protocol v1). */
export interface CrossingRecord {
  record_id: string;
  type: string;
  content: Fields;
  /** RFC 3339. */
  started_at: string;
  ended_at: string;
}

/** What did not come over, wholly or in part. */
export interface CrossingOmission {
  record_id: string;
  type: string;
  /** A sentence for a person. */
  reason: string;
}

/** One thing that was said or done, in words that every model's API has. */
export type ConversationStep =
  | { kind: 'user'; record_id: string; at: string; text: string }
  | { kind: 'agent'; record_id: string; at: string; text: string }
  | { kind: 'tool'; record_id: string; at: string; ended_at: string; use: ToolUse };

/** A message of an agent is taken together again up to this length, in UTF-16 units. */
const JOINED_LENGTH = 2 * 1024 * 1024;

const CARRIED = ['user_message', 'agent_message', 'tool_call'];

const LEFT_OUT: Record<string, string> = {
  thought: 'Thoughts stay with the model that had them.',
  plan: 'A plan is shown to people; the next harness keeps its own.',
  interaction: 'What people were asked and answered is not part of what a model is sent.',
  usage: 'Usage is counted by each harness for itself.',
};

/** What the records say that a model can be told, in their order. The end of a turn says nothing. */
export function conversationOf(records: readonly CrossingRecord[]): {
  steps: ConversationStep[];
  omitted: CrossingOmission[];
} {
  const steps: ConversationStep[] = [];
  const omitted: CrossingOmission[] = [];
  /** Where a message goes on that was cut for its length. */
  let before: CrossingRecord | undefined;
  for (const record of records) {
    const { record_id, type, content, started_at: at, ended_at } = record;
    const omit = (reason: string) => omitted.push({ record_id, type, reason });
    if (type === 'user_message') {
      steps.push({ kind: 'user', record_id, at, text: textOfBlocks(content.prompt, omit) });
    } else if (type === 'agent_message') {
      const text = textOfBlocks(content.blocks, omit);
      const goesOn = content.continues === true;
      const isCutOff = goesOn && before?.type !== 'agent_message';
      if (isCutOff) omit('Its beginning is not among the records.');
      if (!goesOn || isCutOff || !joins(steps.at(-1), text)) steps.push({ kind: 'agent', record_id, at, text });
    } else if (type === 'tool_call') {
      steps.push({ kind: 'tool', record_id, at, ended_at, use: toolUseOf(content, omit) });
    } else if (type !== 'turn_end') {
      omit(LEFT_OUT[type] ?? 'What it says is not known here.');
    }
    const redactions = CARRIED.includes(type) ? redactionsIn(content) : [];
    if (redactions.length > 0) omit(`Secrets were taken out of it when it was recorded (${redactions.join(', ')}).`);
    before = record;
  }
  return { steps: steps.filter((step) => step.kind === 'tool' || step.text.trim() !== ''), omitted };
}

/** Adds the rest of a message to the step before it, where that does not become too long. */
function joins(last: ConversationStep | undefined, rest: string): boolean {
  if (last?.kind !== 'agent' || last.text.length + rest.length > JOINED_LENGTH) return false;
  last.text += rest;
  return true;
}

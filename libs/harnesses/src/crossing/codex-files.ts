import type { ConversationStep } from './conversation.js';
import { crossingIds } from './crossing-ids.js';
import type { CrossingTarget } from './crossing-target.js';

/**
 * Codex (facts from 0.169.0): `session_meta` with these five fields and `response_item` lines are a whole rollout. What
 * the model is sent is the items in the order of the lines.
 */
export function codexFiles(steps: readonly ConversationStep[], { cwd, native_id, now, version }: CrossingTarget) {
  const ids = crossingIds(native_id);
  const timestamp = now.toISOString();
  const meta = { id: native_id, timestamp, cwd, originator: 'holdfast', cli_version: version };
  const lines = [{ timestamp, type: 'session_meta', payload: meta }, ...steps.flatMap((step) => itemsOf(step, ids))];
  const data = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return [{ name: `rollouts/${native_id}.jsonl`, mode: 'lines' as const, data }];
}

function itemsOf(step: ConversationStep, ids: ReturnType<typeof crossingIds>) {
  const item = (timestamp: string, payload: Record<string, unknown>) => ({ timestamp, type: 'response_item', payload });
  const { at } = step;
  if (step.kind === 'user') {
    return [item(at, { type: 'message', role: 'user', content: [{ type: 'input_text', text: step.text }] })];
  }
  if (step.kind === 'agent') {
    return [item(at, { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: step.text }] })];
  }
  const { name, command, input, result, hasFailed } = step.use;
  const call_id = `call_${ids.short(step.record_id)}`;
  const call = command === null ? { name, input } : { name: 'exec_command', input: { cmd: command } };
  // The API has no word for a failure.
  const output = hasFailed ? `[The call failed.]\n${result}` : result;
  return [
    item(at, { type: 'function_call', name: call.name, arguments: JSON.stringify(call.input), call_id }),
    item(step.ended_at, { type: 'function_call_output', call_id, output }),
  ];
}

import fc from 'fast-check';
import type { CrossingRecord } from '../../src/index.js';

/** Records in the order of their ids, a second apart. */
export function recordsOf(items: [type: string, content: Record<string, unknown>][]): CrossingRecord[] {
  return items.map(([type, content], index) => ({
    record_id: `0000000000000000_${String(index).padStart(16, '0')}`,
    type,
    content,
    started_at: new Date(Date.UTC(2026, 0, 15, 8) + index * 1000).toISOString(),
    ended_at: new Date(Date.UTC(2026, 0, 15, 8) + index * 1000 + 500).toISOString(),
  }));
}

export const user = (prompt: unknown): [string, Record<string, unknown>] => ['user_message', { prompt, by_id: null }];
export const agent = (text: string, continues = false): [string, Record<string, unknown>] => [
  'agent_message',
  { blocks: [{ type: 'text', text }], continues },
];
export const tool = (tool_call: Record<string, unknown>, status = 'completed'): [string, Record<string, unknown>] => [
  'tool_call',
  { status, tool_call: { toolCallId: 'the same for all', ...tool_call } },
];

/** Text as models write it, and worse. */
const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom('', ' ', '\n\n', '\r\n', '"}\n{"', '\u2028', '</conversation>', 'x'.repeat(5000)),
);
const block = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('text'), text }) },
  fc.record({ type: fc.constantFrom('image', 'audio'), data: text, mimeType: text }),
  fc.record({ type: fc.constant('resource_link'), uri: fc.webUrl(), name: text }),
  fc.record({ type: fc.constant('resource'), resource: fc.record({ uri: fc.webUrl(), text }) }),
  fc.jsonValue(),
);
const blocks = fc.array(block, { maxLength: 4 });
const status = fc.constantFrom('completed', 'failed', 'interrupted');
const toolCall = fc.record(
  {
    toolCallId: fc.constantFrom('0', '1', 'call_a'),
    title: text,
    name: text,
    kind: fc.constantFrom('execute', 'read', 'edit', 'other', 'a kind of tomorrow'),
    rawInput: fc.oneof(fc.record({ command: fc.oneof(text, fc.array(text)) }), fc.jsonValue()),
    rawOutput: fc.oneof(text, blocks, fc.record({ exit_code: fc.integer() }), fc.jsonValue()),
    content: fc.oneof(
      fc.array(fc.record({ type: fc.constantFrom('content', 'diff', 'terminal'), content: block })),
      fc.jsonValue(),
    ),
    locations: fc.jsonValue(),
    _meta: fc.oneof(fc.record({ claudeCode: fc.record({ toolName: text }) }), fc.jsonValue()),
  },
  { requiredKeys: ['toolCallId'] },
);

/** Any sequence of records. */
export const anyRecords = fc
  .array(
    fc.oneof(
      fc.record({ prompt: fc.oneof(text, blocks) }).map((content) => ['user_message', content] as const),
      fc.record({ blocks, continues: fc.boolean() }).map((content) => ['agent_message', content] as const),
      fc.record({ status, tool_call: toolCall }).map((content) => ['tool_call', content] as const),
      fc.record({ blocks, continues: fc.boolean() }).map((content) => ['thought', content] as const),
      fc.constantFrom('plan', 'interaction', 'usage', 'turn_end', 'of tomorrow').map((type) => [type, {}] as const),
    ),
    { maxLength: 30 },
  )
  .map((items) => recordsOf(items.map(([type, content]) => [type, content as Record<string, unknown>])));

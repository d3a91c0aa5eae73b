import { plain } from './style.js';
import { recordLines } from './transcript.js';

describe('a record of a transcript', () => {
  it.each([
    ['user_message', { prompt: 'Do it.\nNow.' }, ['> Do it.', '> Now.']],
    ['agent_message', { blocks: [{ type: 'text', text: 'Done.\n' }, { type: 'image' }] }, ['Done.', '[image]']],
    ['thought', { blocks: [{ type: 'text', text: 'Hm.' }] }, ['Hm.']],
    ['tool_call', { status: 'completed', tool_call: { title: 'Look' } }, ['✓ Look']],
    ['tool_call', { status: 'interrupted', tool_call: { title: 'Look' } }, ['✗ Look: interrupted']],
    ['plan', { entries: [{ content: 'A', status: 'completed' }] }, ['[x] A']],
    [
      'interaction',
      { request: { tool_call: { title: 'Write' } }, verdict: { decision: 'allow_always' }, outcome: 'resolved' },
      ['? Write: allow always'],
    ],
    [
      'interaction',
      { request: {}, verdict: null, outcome: 'cancelled', reason: 'turn_ended' },
      ['? a tool call: cancelled, turn_ended'],
    ],
    ['usage', { context: null, turn: null }, []],
    ['turn_end', { status: 'completed', stop_reason: 'end_turn', usage: null, error: null }, ['✓ completed']],
  ] as const)('%s %#', (type, content, lines) => {
    expect(recordLines({ type, content }, plain)).toEqual(lines);
  });
});

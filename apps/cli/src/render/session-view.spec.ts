import type { SessionEvent } from '@holdfast/client';
import { emptyView, showEvent, showNote } from './session-view.js';
import { coloured, plain } from './style.js';

const event = (type: string, data: Record<string, unknown>): SessionEvent => ({
  type,
  at: '2026-01-01T00:00:00.000Z',
  turn_id: 't',
  data,
});
const update = (sessionUpdate: string, data: Record<string, unknown>) =>
  event('agent.update', { sessionUpdate, ...data });
const words = (text: string) => update('agent_message_chunk', { content: { type: 'text', text } });
const thought = (text: string) => update('agent_thought_chunk', { content: { type: 'text', text } });
const tool = (toolCallId: string, data: Record<string, unknown>) => update('tool_call_update', { toolCallId, ...data });

function shown(events: SessionEvent[], style = plain): string {
  let view = emptyView;
  let all = '';
  for (const next of events) {
    const { view: after, text } = showEvent(view, next, style);
    view = after;
    all += text;
  }
  return all;
}

describe('what a session looks like', () => {
  it('streams text as it comes and sets blocks apart', () => {
    const prompt = event('turn.queued', { prompt: 'Hello', agent: { name: 'scripted', revision: 3 } });
    const end = event('turn.completed', { stop_reason: 'end_turn', usage: null, error: null });
    expect(
      shown([prompt, thought('Let me '), thought('see.'), words('Good '), words('day.\n'), words('\nBye.'), end]),
    ).toBe('> Hello\n  agent scripted, revision 3\n\nLet me see.\n\nGood day.\n\nBye.\n\n✓ completed\n');
  });

  it('looks the same however the text is cut into chunks', () => {
    const text = 'One.\n\nTwo\nlines.\n';
    const end = event('turn.completed', {});
    const chunks = [...text].map(words);
    expect(shown([...chunks, end])).toBe(shown([words(text), end]));
  });

  it('puts a tool call on one line when nothing comes between', () => {
    const call = update('tool_call', { toolCallId: 'a', title: 'Read a file', status: 'pending' });
    const running = tool('a', { status: 'in_progress' });
    expect(shown([call, running, tool('a', { status: 'completed' })])).toBe('→ Read a file ✓\n');
    expect(shown([call, running, words('Hm.'), tool('a', { status: 'completed' })])).toBe(
      '→ Read a file\n\nHm.\n✓ Read a file\n',
    );
  });

  it('says why a tool call failed', () => {
    const call = update('tool_call', { toolCallId: 'a', title: 'Write', status: 'pending' });
    const content = [{ type: 'content', content: { type: 'text', text: 'No space\nleft' } }];
    expect(shown([call, tool('a', { status: 'failed', content })])).toBe('→ Write ✗: No space left\n');
  });

  it('shows tool calls that run at the same time apart', () => {
    const events = [
      update('tool_call', { toolCallId: 'a', title: 'A' }),
      update('tool_call', { toolCallId: 'b', title: 'B' }),
      tool('a', { status: 'completed' }),
      tool('b', { status: 'completed' }),
    ];
    expect(shown(events)).toBe('→ A\n→ B\n✓ A\n✓ B\n');
  });

  it('shows a plan as a checklist', () => {
    const entries = [
      { content: 'Look', status: 'completed' },
      { content: 'Think', status: 'in_progress' },
      { content: 'Act', status: 'pending' },
    ];
    expect(shown([update('plan', { entries })])).toBe('[x] Look\n[>] Think\n[ ] Act\n');
  });

  it('shows a question with all that it is about, and the answer', () => {
    const request = {
      tool_call: {
        toolCallId: 'a',
        title: 'Write notes.md',
        rawInput: { command: ['tee', 'notes.md'] },
        content: [{ type: 'diff', path: '/w/notes.md', oldText: 'old', newText: 'new\nlines\n' }],
      },
      options: [],
    };
    const verdict = { decision: 'deny', message: 'not there' };
    expect(
      shown([
        event('interaction.requested', { interaction_id: 'i', request }),
        event('interaction.responded', { interaction_id: 'i', verdict }),
        tool('a', { status: 'failed' }),
      ]),
    ).toBe(
      '? The agent asks for permission: Write notes.md\n  $ tee notes.md\n  /w/notes.md\n  - old\n  + new\n  + lines\n' +
        '✗ denied: not there\n✗ Write notes.md\n',
    );
  });

  it.each([
    ['turn.completed', { stop_reason: 'max_tokens', usage: { totalTokens: 9 } }, '✓ completed · max_tokens · 9 tokens'],
    [
      'turn.failed',
      {
        error: { code: 'agent_exited', message: 'It exited.' },
        usage: { totalTokens: 3, inputTokens: 1, outputTokens: 2 },
      },
      '✗ failed · 3 tokens (1 in, 2 out) · It exited. (agent_exited)',
    ],
    ['turn.cancelled', { stop_reason: 'cancelled' }, '✗ cancelled'],
    ['turn.superseded', { stop_reason: 'superseded' }, '✗ superseded'],
    ['turn.lost', { error: { code: 'owner_lost', message: 'Gone.' } }, '✗ lost · Gone. (owner_lost)'],
  ])('ends with %s', (type, data, line) => {
    expect(shown([event(type, data)])).toBe(`${line}\n`);
  });

  it('tells of a prompt that waits, and ends nothing when that is withdrawn', () => {
    expect(shown([event('turn.inbox', { prompt: 'Later.' })])).toBe('waiting: Later.\n');
    expect(shown([event('turn.cancelled', { stop_reason: 'withdrawn', from: 'inbox' })])).toBe('');
  });

  it('shows a prompt that the live turn took like one of its own', () => {
    const prompt = { prompt: 'Also this.', agent: { name: 'scripted', revision: 1 } };
    expect(shown([event('turn.merged', { into_turn_id: 't', ...prompt })])).toBe(shown([event('turn.queued', prompt)]));
  });

  it('lets no control character of an agent reach the terminal', () => {
    const evil = '\u001b[2J\u001b]0;title\u0007\r\u009b1A\u202eok';
    const texts = [
      words(evil),
      thought(evil),
      update('tool_call', { toolCallId: 'x', title: evil }),
      update('plan', { entries: [{ content: evil, status: evil }] }),
      event('agent.notice', { code: evil, message: evil }),
      event('interaction.requested', { request: { tool_call: { title: evil, rawInput: { command: evil } } } }),
      event('turn.queued', { prompt: evil, agent: { name: evil } }),
      event('turn.failed', { stop_reason: evil, error: { code: evil, message: evil } }),
    ];
    const all = shown(texts);
    expect(all).toContain('ok');
    expect(all).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });

  it('shows nothing for what it does not know, and takes any shape', () => {
    expect(shown([event('turn.dreamt', {}), update('moon_phase', {}), event('agent.update', {})])).toBe('');
    expect(() =>
      shown([update('plan', { entries: 7 }), words(undefined as never), tool(null as never, {})]),
    ).not.toThrow();
  });

  it('is coloured only in style, never in substance', () => {
    const events = [thought('Hm.'), words('Well.'), update('tool_call', { toolCallId: 'a', title: 'A' })];
    expect(shown(events, coloured).replace(/\u001b\[\d+m/g, '')).toBe(shown(events));
    expect(shown(events, coloured)).toContain('\u001b[2mHm.\u001b[22m');
  });

  it('puts notes of its own on a line of their own', () => {
    const { view } = showEvent(emptyView, words('Half a sen'), plain);
    expect(showNote(view, 'connected again', plain).text).toBe('\nconnected again\n');
  });
});

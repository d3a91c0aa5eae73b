import type { ConversationItem } from '../src/fake-model/conversation.js';
import { nextReply } from '../src/fake-model/script.js';
import type { ShellCall } from '../src/fake-model/script.js';

const shell: ShellCall = (command, asking) => ({ name: 'shell', input: { command, asking } });
const user = (text: string): ConversationItem => ({ role: 'user', kind: 'text', text });
const said = (text: string): ConversationItem => ({ role: 'assistant', kind: 'text', text });
const called: ConversationItem = { role: 'assistant', kind: 'call', text: '{}', name: 'shell', id: 'call-1' };
const result = (text: string): ConversationItem => ({ role: 'tool', kind: 'result', text, id: 'call-1' });
const reply = (...conversation: ConversationItem[]) => nextReply(conversation, shell);

describe('nextReply', () => {
  it('tells what it was sent when the prompt gives no directive', () => {
    expect(reply(user('one'), said('answer'), user('two'))).toEqual({
      parts: [{ say: 'FAKE-REPLY turn=2 sees=[one | two] tool=[]' }],
    });
  });

  it('tells the end of the last tool result', () => {
    const { parts } = reply(user('[[sh:ls]]'), called, result(`${'x'.repeat(300)}end\n`));
    expect(parts).toEqual([{ say: `FAKE-REPLY turn=1 sees=[[[sh:ls]]] tool=[${'x'.repeat(197)}end]` }]);
  });

  it('makes one call per answer, in the order of the prompt', () => {
    const prompt = user('[[sh:first]] and [[ask:second]]');
    expect(reply(prompt).parts).toEqual([{ call: shell('first', false) }]);
    expect(reply(prompt, called, result('1')).parts).toEqual([{ call: shell('second', true) }]);
    expect(reply(prompt, called, result('1'), called, result('2')).parts).toEqual([
      { say: expect.stringContaining('tool=[2]') },
    ]);
  });

  it('says and waits at its place among the calls', () => {
    const prompt = user('[[say:before]][[sleep:5]][[sh:ls]][[say:after]]');
    expect(reply(prompt).parts).toEqual([{ say: 'before' }, { sleep: 5 }, { call: shell('ls', false) }]);
    expect(reply(prompt, said('before'), called, result('1')).parts).toEqual([{ say: 'after' }]);
  });

  it('still says something after waiting alone', () => {
    expect(reply(user('[[sleep:5]]')).parts).toEqual([{ sleep: 5 }, { say: expect.stringContaining('FAKE-REPLY') }]);
  });

  it('follows the last prompt only, and counts only the calls made since', () => {
    const { parts } = reply(user('[[sh:old]]'), called, result('1'), user('[[sh:new]]'));
    expect(parts).toEqual([{ call: shell('new', false) }]);
  });

  it('fails where the script says so', () => {
    expect(reply(user('[[sleep:1]][[fail:529]][[say:never]]'))).toEqual({ parts: [{ sleep: 1 }], fail: 529 });
    expect(reply(user('[[sh:ls]][[fail:400]]'))).toEqual({ parts: [{ call: shell('ls', false) }] });
  });

  it('reads commands and arguments that hold brackets themselves', () => {
    const prompt = user('[[sh:[[ -f a ]] || echo [x]]][[tool:Write {"rows":[[1],[2]]}]]');
    expect(reply(user('[[sh:test [x]]]')).parts).toEqual([{ call: shell('test [x]', false) }]);
    expect(reply(prompt, called, result('')).parts).toEqual([{ call: { name: 'Write', input: { rows: [[1], [2]] } } }]);
  });

  it('reads arguments that hold the script of another agent', () => {
    const inner = '[[tool:send {"to":["parent"]}]][[say:done]]';
    const prompt = user(`[[tool:mcp__holdfast__run_agents ${JSON.stringify({ prompt: inner })}]][[say:after]]`);
    const call = { name: 'mcp__holdfast__run_agents', input: { prompt: inner } };
    expect(reply(prompt).parts).toEqual([{ call }]);
    expect(reply(prompt, called, result('')).parts).toEqual([{ say: 'after' }]);
  });

  it('refuses tool arguments that are not JSON', () => {
    expect(() => reply(user('[[tool:Write {rows}]]'))).toThrow(SyntaxError);
  });
});

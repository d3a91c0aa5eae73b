import { DirectiveError, directives, parseScript } from './directives.js';
import { helpText } from './help.js';

describe('a script in a prompt', () => {
  it('is one text when it has no directive', () => {
    expect(parseScript('What is [this] and [[that]]?')).toEqual([{ do: 'text', text: 'What is [this] and [[that]]?' }]);
  });

  it('is nothing when the prompt is blank', () => {
    expect(parseScript(' \n ')).toEqual([]);
  });

  it('runs in order, with the text between directives kept as it is and blank text dropped', () => {
    expect(parseScript('Hello, [[think:hm]] [[say:there]]\n and goodbye ')).toEqual([
      { do: 'text', text: 'Hello, ' },
      { do: 'think', text: 'hm' },
      { do: 'say', text: 'there' },
      { do: 'text', text: '\n and goodbye ' },
    ]);
  });

  it.each([
    ['[[plan:a|b c|d]]', { do: 'plan', entries: ['a', 'b c', 'd'] }],
    ['[[stream:20:5]]', { do: 'stream', count: 20, everyMs: 5 }],
    ['[[flood:2000]]', { do: 'flood', count: 2000 }],
    ['[[tool:Run: all tests]]', { do: 'tool', title: 'Run: all tests' }],
    ['[[ask:Deploy]]', { do: 'ask', title: 'Deploy' }],
    ['[[write:a/b.txt:one: two\nthree]]', { do: 'write', path: 'a/b.txt', text: 'one: two\nthree' }],
    ['[[write:empty.txt:]]', { do: 'write', path: 'empty.txt', text: '' }],
    ['[[fail:no such model]]', { do: 'fail', message: 'no such model' }],
    ['[[usage:120]]', { do: 'usage', tokens: 120 }],
    ['[[stderr:warning]]', { do: 'stderr', text: 'warning' }],
    ['[[say:a[0]]]', { do: 'say', text: 'a[0]' }],
    ['[[hang]]', { do: 'hang' }],
    ['[[deaf]]', { do: 'deaf' }],
    ['[[crash]]', { do: 'crash' }],
    ['[[fork]]', { do: 'fork' }],
    ['[[spawn:8]]', { do: 'spawn', count: 8 }],
    ['[[daemon]]', { do: 'daemon' }],
    ['[[eat:64]]', { do: 'eat', mebibytes: 64 }],
    ['[[noise:5]]', { do: 'noise', count: 5 }],
    ['[[listen]]', { do: 'listen' }],
    ['[[recall]]', { do: 'recall' }],
    ['[[call:wait_for_messages]]', { do: 'call', tool: 'wait_for_messages', input: {} }],
    ['[[call:send {"rows":[[1],[2]]}]]', { do: 'call', tool: 'send', input: { rows: [[1], [2]] } }],
  ])('reads %s', (prompt, step) => {
    expect(parseScript(prompt)).toEqual([step]);
  });

  it.each([
    '[[say]]',
    '[[stream:5]]',
    '[[stream:x:5]]',
    '[[flood:-1]]',
    '[[flood:1000000]]',
    '[[write:name]]',
    '[[usage:]]',
    '[[call:]]',
    '[[call:send {to}]]',
    '[[call:send [1]]]',
  ])('refuses %s, naming how it is written', (prompt) => {
    expect(() => parseScript(`before ${prompt}`)).toThrow(DirectiveError);
    expect(() => parseScript(prompt)).toThrow(/^\[\[[a-z]+:[A-Z:{} ]+\]\]: /);
  });

  it('calls with prompts that have directives and calls of their own', () => {
    const inner = '[[call:send {"to":"parent","body":"[[x]] }"}]] and [[say:unfinished';
    const prompt = `[[call:run ${JSON.stringify({ agents: [{ prompt: inner }] })}]][[say:after]]`;
    expect(parseScript(prompt)).toEqual([
      { do: 'call', tool: 'run', input: { agents: [{ prompt: inner }] } },
      { do: 'say', text: 'after' },
    ]);
    expect(parseScript(inner).at(0)).toEqual({
      do: 'call',
      tool: 'send',
      input: { to: 'parent', body: '[[x]] }' },
    });
  });

  it('does not take a property of every object for a directive', () => {
    expect(parseScript('[[constructor]]')).toEqual([{ do: 'text', text: '[[constructor]]' }]);
  });
});

it('the help names every directive', () => {
  for (const { usage, meaning } of Object.values(directives)) {
    expect(helpText()).toContain(`[[${usage}]]`);
    expect(helpText()).toContain(meaning);
  }
});

import { PassThrough } from 'node:stream';
import { HoldfastError, type HoldfastClient, type SessionEvent, type SessionInteraction } from '@holdfast/client';
import { QuestionDesk } from './question-desk.js';
import { Terminal } from './terminal.js';

const request = (title: string) => ({
  tool_call: { title },
  options: [
    { option_id: 'y', kind: 'allow_once' as const, name: 'Yes' },
    { option_id: 'n', kind: 'reject_once' as const, name: 'No' },
  ],
});
const event = (type: string, interaction_id: string, title = ''): SessionEvent => ({
  type,
  at: '',
  turn_id: 't',
  data: { interaction_id, request: request(title) },
});

/** A desk at a terminal of which the test is the user, and that tells what was answered. */
function sitDown({
  isTTY = true,
  earlier = [] as SessionInteraction[],
  refusal = undefined as Error | undefined,
} = {}) {
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: () => undefined });
  const output = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  const seen: string[] = [];
  output.on('data', (chunk) => seen.push(String(chunk)));
  const answers: string[] = [];
  const respond = async (id: string, { decision }: { decision: string }) => {
    answers.push(`${id} ${decision}`);
    if (refusal) throw refusal;
  };
  const terminal = new Terminal(input as never, output as never);
  const desk = new QuestionDesk(earlier, { respond } as unknown as HoldfastClient, terminal, 'holdfast', {
    note: (text) => terminal.write(`${text}\n`),
    question: (asked) => terminal.write(`? ${(asked as ReturnType<typeof request>).tool_call.title}\n`),
  });
  const settled = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  };
  const type = async (text: string) => {
    input.write(text);
    await settled();
  };
  return { desk, terminal, input, answers, type, settled, screen: () => seen.join('') };
}

const problem = { type: '', title: '', status: 409, detail: 'Somebody was faster.', instance: '', code: 'taken' };

describe('asking at the terminal', () => {
  it('takes only an answer that is offered', async () => {
    const { desk, answers, type } = sitDown();
    desk.goLive();
    desk.see(event('interaction.requested', 'a'));
    await type('maybe\r');
    await type('\r');
    expect(answers).toEqual([]);
    await type('y\r');
    expect(answers).toEqual(['a allow']);
    desk.close();
  });

  it('asks nothing that was answered in the past', async () => {
    const { desk, answers, type, screen } = sitDown();
    desk.see(event('interaction.requested', 'a'));
    desk.see(event('interaction.responded', 'a'));
    desk.see(event('interaction.requested', 'b'));
    desk.goLive();
    await type('n\r');
    expect(answers).toEqual(['b deny']);
    expect(screen().match(/answer \[/g)).not.toBeNull();
    desk.close();
  });

  it('shows and asks what was open before the first event that is shown', async () => {
    const { desk, answers, type, screen } = sitDown({
      earlier: [{ interaction_id: 'e', request: request('An earlier one') } as unknown as SessionInteraction],
    });
    desk.goLive();
    await type('1\r');
    expect(screen()).toContain('? An earlier one');
    expect(answers).toEqual(['e allow']);
    desk.close();
  });

  it('asks one question after the other', async () => {
    const { desk, answers, type } = sitDown();
    desk.goLive();
    desk.see(event('interaction.requested', 'a'));
    desk.see(event('interaction.requested', 'b'));
    await type('y\r');
    await type('n\r');
    expect(answers).toEqual(['a allow', 'b deny']);
    desk.close();
  });

  it('takes a question back that somebody else has answered', async () => {
    const { desk, answers, type, settled, screen } = sitDown();
    desk.goLive();
    desk.see(event('interaction.requested', 'a'));
    await settled();
    desk.see(event('interaction.responded', 'a'));
    await type('y\r');
    expect(answers).toEqual([]);
    expect(screen()).toContain('answered elsewhere');
    desk.close();
  });

  it('says so when an answer is refused', async () => {
    const { desk, type, screen } = sitDown({ refusal: new HoldfastError(problem) });
    desk.goLive();
    desk.see(event('interaction.requested', 'a'));
    await type('y\r');
    expect(screen()).toContain('not answered: Somebody was faster. (taken)');
    desk.close();
  });

  it.each([
    ['where nobody sits', { isTTY: false }, false],
    ['when the input has ended', {}, true],
  ])('says how to answer from elsewhere %s', async (_, options, ends) => {
    const { desk, input, answers, settled, screen } = sitDown(options);
    desk.goLive();
    desk.see(event('interaction.requested', 'a'));
    if (ends) input.end();
    await settled();
    await settled();
    expect(screen()).toContain('holdfast answer a allow');
    expect(answers).toEqual([]);
    desk.close();
  });

  it('keeps output whole while a question is open', async () => {
    const { desk, terminal, settled, type, screen } = sitDown();
    desk.goLive();
    desk.see(event('interaction.requested', 'a'));
    await settled();
    terminal.write('half ');
    expect(screen()).not.toContain('half');
    terminal.write('a line\nand ');
    expect(screen()).toContain('half a line\n');
    await type('y\r');
    terminal.write('more');
    expect(screen()).toContain('and more');
    desk.close();
  });
});

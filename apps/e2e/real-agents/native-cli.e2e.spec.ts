import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { startFakeModel, type ConversationItem, type FakeModel, type RealAgentKind } from '@holdfast/testing';
import { NativeMachine } from './native-machine.js';
import { StoredConversation } from './stored-conversation.js';

const agentsFolder = process.env['HOLDFAST_AGENTS'] ?? path.resolve(__dirname, '../../../.agents');

// Whether the program takes an id for a new conversation; the others choose their own and tell it.
const agents: [RealAgentKind, { takesId: boolean }][] = [
  ['codex', { takesId: false }],
  ['claude', { takesId: true }],
  ['gemini', { takesId: true }],
  ['opencode', { takesId: false }],
];

describe.each(agents)('a conversation of the real %s, from machine to machine', (kind, { takesId }) => {
  let model: FakeModel;
  const machines: NativeMachine[] = [];

  beforeAll(async () => {
    if (!existsSync(agentsFolder)) throw new Error('the agents are missing: run "node tools/install-agents.mjs"');
    model = await startFakeModel();
  });
  afterAll(async () => {
    for (const machine of machines) await machine.remove();
    await model?.stop();
  }, 60_000);

  const machine = async (cwd: string) => {
    const made = await NativeMachine.start(kind, model.url, agentsFolder, cwd);
    machines.push(made);
    return made;
  };
  const begin = async (on: NativeMachine, prompt: string) => on.begin(prompt, takesId ? randomUUID() : null);
  /** What the model was sent last, without what a program asks on its own behalf, and what it answered. */
  const lastExchange = () => {
    const { conversation, reply } = model.log.filter((entry) => !entry.side).at(-1)!;
    const said = reply.parts.flatMap((part) => ('say' in part ? [part.say] : [])).join('');
    return [...conversation, { role: 'assistant', kind: 'text', text: said } satisfies ConversationItem];
  };

  it('goes on with every earlier prompt, reply, call and result, each once and in order', async () => {
    const stored = new StoredConversation();
    const a = await machine('work');
    const history: object[] = [];
    const prompt = (text: string) => history.push({ role: 'user', kind: 'text', text });
    const call = (command: string) =>
      history.push(
        expect.objectContaining({ role: 'assistant', kind: 'call', text: expect.stringContaining(command) }),
      );
    const result = (output: string) =>
      history.push(expect.objectContaining({ role: 'tool', kind: 'result', text: expect.stringContaining(output) }));
    const answer = (text: string) => history.push({ role: 'assistant', kind: 'text', text });

    const first = '[[sh:seq -f made-%g 21 21]][[say:the first answer]]';
    const nativeId = await begin(a, first);
    prompt(first);
    call('seq -f made-%g');
    result('made-21');
    answer('the first answer');
    expect(lastExchange()).toEqual(history);
    await a.save(nativeId, stored);

    const turn = async (on: NativeMachine, words: string) => {
      const { code, err, out } = await on.goOn(nativeId, `[[say:${words}]]`);
      if (code !== 0) throw new Error(`exit code ${code}: ${err}\n${out}`);
      prompt(`[[say:${words}]]`);
      answer(words);
      expect(lastExchange()).toEqual(history);
      expect(await on.save(nativeId, stored)).toContain('append');
    };
    await turn(a, 'the second, on the same machine');

    const b = await machine('work');
    await b.restore(nativeId, stored);
    await turn(b, 'the third, on another machine');

    const c = await machine('other/my work_2');
    await c.restore(nativeId, stored);
    await turn(c, 'the fourth, in another directory');

    await a.restore(nativeId, stored);
    await turn(a, 'the fifth, where stale files were');
    // Gemini CLI would delete the first one on this occasion.
    await begin(a, '[[say:of another conversation]]');
    await turn(a, 'the sixth');
  }, 600_000);

  it('fails, and sends nothing of it, where it was not brought to the machine', async () => {
    const a = await machine('work');
    const nativeId = await begin(a, '[[say:known to one machine only]]');
    const other = await machine('work');
    const sent = model.log.length;
    const { code } = await other.goOn(nativeId, '[[say:and now?]]');
    expect(code).not.toBe(0);
    expect(model.log.slice(sent).filter((entry) => !entry.side)).toEqual([]);
  }, 240_000);

  it('runs nothing that somebody would have to allow, where approvals are denied', async () => {
    const a = await machine('work');
    const sent = model.log.length;
    await a.begin('[[ask:touch made-by-tool]]', takesId ? randomUUID() : null, 'deny');
    const replies = model.log.slice(sent).flatMap(({ reply }) => reply.parts);
    expect(replies).toContainEqual({ call: expect.anything() });
    expect(readdirSync(a.place.cwd)).toEqual([]);
  }, 240_000);

  it('gives way to what is stored, where the home had gone on by itself', async () => {
    const stored = new StoredConversation();
    const a = await machine('work');
    const nativeId = await begin(a, '[[say:one]]');
    await a.save(nativeId, stored);
    await a.goOn(nativeId, '[[say:of this machine alone]]');

    const b = await machine('work');
    await b.restore(nativeId, stored);
    await b.goOn(nativeId, '[[say:two]]');
    await b.save(nativeId, stored);

    await expect(a.save(nativeId, stored)).rejects.toThrow('another past');
    await a.restore(nativeId, stored);
    await a.goOn(nativeId, '[[say:three]]');
    expect(lastExchange().map(({ text }) => text)).toEqual([
      '[[say:one]]',
      'one',
      '[[say:two]]',
      'two',
      '[[say:three]]',
      'three',
    ]);
  }, 600_000);
});

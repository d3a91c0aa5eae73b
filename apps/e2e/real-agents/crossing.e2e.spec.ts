import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  chunkFiles,
  nativeFromRecords,
  rehydrate,
  type CrossingHarness,
  type CrossingRecord,
  type NativeMark,
  type StoredFile,
} from '@holdfast/harnesses';
import { startFakeModel, type ConversationItem, type FakeModel } from '@holdfast/testing';
import { NativeMachine } from './native-machine.js';

const agentsFolder = process.env['HOLDFAST_AGENTS'] ?? path.resolve(__dirname, '../../../.agents');
const VERSIONS = { claude: '2.1.329', codex: '0.169.0' };
const A_MINUTE = 60_000;

const pairs: [CrossingHarness, CrossingHarness][] = [
  ['codex', 'claude'],
  ['claude', 'codex'],
];

describe.each(pairs)('a conversation of the real %s, gone on with in the real %s', (from, to) => {
  let model: FakeModel;
  const machines: NativeMachine[] = [];

  beforeAll(async () => {
    if (!existsSync(agentsFolder)) throw new Error('the agents are missing: run "node tools/install-agents.mjs"');
    model = await startFakeModel();
  });
  afterAll(async () => {
    for (const machine of machines) await machine.remove();
    await model?.stop();
  }, A_MINUTE);

  const machine = async (kind: CrossingHarness) => {
    const made = await NativeMachine.start(kind, model.url, agentsFolder, `work of ${kind}`);
    machines.push(made);
    return made;
  };
  /** What the model was sent last, without what a program asks on its own behalf, and what it answered. */
  const lastExchange = () => {
    const { conversation, reply } = model.log.filter((entry) => !entry.side).at(-1)!;
    const said = reply.parts.flatMap((part) => ('say' in part ? [part.say] : [])).join('');
    return [...conversation, { role: 'assistant', kind: 'text', text: said } satisfies ConversationItem];
  };
  const goOn = async (on: NativeMachine, nativeId: string, prompt: string) => {
    const { code, err, out } = await on.goOn(nativeId, prompt);
    if (code !== 0) throw new Error(`exit code ${code}: ${err}\n${out}`);
  };

  it(
    'the model is sent all of it once and in order, also after the next turns, and back in the first again',
    async () => {
      const a = await machine(from);
      const first = await a.begin(
        '[[say:I look.]][[sh:seq -f made-%g 21 21]][[sh:echo and-then]][[say:first answer]]',
        from === 'claude' ? randomUUID() : null,
      );
      await goOn(a, first, '[[say:second answer]]');
      const begun = lastExchange();
      expect(begun.map(({ kind }) => kind).join(' ')).toBe('text text call result call result text text text');

      const b = await machine(to);
      const second = await cross(begun, from, b, to);
      await goOn(b, second, '[[sh:echo made-there]][[say:third answer]]');
      const crossed = lastExchange();
      expect(asSaid(crossed.slice(0, begun.length))).toEqual(asSaid(begun));
      expect(asSaid(crossed.slice(begun.length))).toEqual([
        ['user', 'text', '[[sh:echo made-there]][[say:third answer]]'],
        ['assistant', 'call', 'echo made-there'],
        ['tool', 'result', expect.stringContaining('made-there')],
        ['assistant', 'text', 'third answer'],
      ]);
      expect(crossed.filter(({ kind }) => kind === 'call').map(({ name }) => name)).toEqual(
        Array(3).fill(SHELLS[to].name),
      );

      const back = await machine(from);
      const third = await cross(crossed, to, back, from);
      await goOn(back, third, '[[say:fourth answer]]');
      expect(asSaid(lastExchange())).toEqual([
        ...asSaid(crossed),
        ['user', 'text', '[[say:fourth answer]]'],
        ['assistant', 'text', 'fourth answer'],
      ]);
    },
    3 * A_MINUTE,
  );

  it(
    'what only the other has, what was interrupted and what nobody answered goes on too',
    async () => {
      const b = await machine(to);
      const records = recordsOf([
        [
          'user_message',
          {
            prompt: [
              { type: 'text', text: 'look at ' },
              { type: 'image', data: 'AAAA' },
            ],
          },
        ],
        ['thought', { blocks: [{ type: 'text', text: 'let me think' }], continues: false }],
        ['plan', { entries: [] }],
        ['tool_call', { status: 'completed', tool_call: { _meta: { claudeCode: { toolName: 'mcp__a b__c.d' } } } }],
        ['tool_call', { status: 'interrupted', tool_call: { kind: 'edit', title: 'Edit a', rawInput: { path: 'a' } } }],
        ['turn_end', { status: 'cancelled' }],
        ['user_message', { prompt: 'nobody answered this' }],
        ['turn_end', { status: 'failed' }],
        ['user_message', { prompt: 'nor this' }],
        ['agent_message', { blocks: [{ type: 'text', text: 'a whole ' }], continues: false }],
        ['agent_message', { blocks: [{ type: 'text', text: 'answer' }], continues: true }],
      ]);
      const nativeId = await install(records, b, to);
      await goOn(b, nativeId, '[[say:here I am]]');
      expect(lastExchange().map(({ role, kind, text, name }) => [role, kind, name ?? text.trim()])).toEqual([
        ['user', 'text', 'look at [image]'],
        ['assistant', 'call', 'mcp__a_b__c_d'],
        ['tool', 'result', ''],
        ['assistant', 'call', 'edit'],
        ['tool', 'result', expect.stringContaining('interrupted')],
        ['user', 'text', 'nobody answered this'],
        ['user', 'text', 'nor this'],
        ['assistant', 'text', 'a whole answer'],
        ['user', 'text', '[[say:here I am]]'],
        ['assistant', 'text', 'here I am'],
      ]);
    },
    2 * A_MINUTE,
  );
});

/** How each program calls its shell. */
const SHELLS: Record<CrossingHarness, { name: string; input: string }> = {
  claude: { name: 'Bash', input: 'command' },
  codex: { name: 'exec_command', input: 'cmd' },
};

/** What was said, a command as itself: its wrapping differs, and so do ids. */
function asSaid(conversation: ConversationItem[]): [string, string, string][] {
  return conversation.map(({ role, kind, text, name }) => {
    const shell = Object.values(SHELLS).find((each) => each.name === name);
    const said = shell ? String((JSON.parse(text) as Record<string, unknown>)[shell.input]) : text;
    return [role, kind, said.trim()];
  });
}

/** Takes what a program's model was sent to another program, by way of the records that a session would have. */
async function cross(
  conversation: ConversationItem[],
  from: CrossingHarness,
  on: NativeMachine,
  to: CrossingHarness,
): Promise<string> {
  return install(recordsOf(conversation.flatMap((item) => itemRecord(item, conversation, from))), on, to);
}

async function install(records: CrossingRecord[], on: NativeMachine, to: CrossingHarness): Promise<string> {
  const native_id = to === 'codex' ? uuidV7() : randomUUID();
  const origin = await on.harness.origin(on.place);
  const target = { cwd: origin.cwd, native_id, now: new Date(), version: VERSIONS[to] };
  const { files } = nativeFromRecords(to, records, target);
  const stored = new Map<string, { mark: NativeMark; contents: Buffer[] }>();
  for await (const { name, mode, chunk } of chunkFiles(on.harness, native_id, origin, files)) {
    const { data, from_line, lines, digest } = chunk;
    const file = stored.get(name) ?? { mark: { name, mode, lines: 0, bytes: 0, digest, chunks: [] }, contents: [] };
    const sha256 = createHash('sha256').update(data).digest('hex');
    file.mark.chunks.push({ from_line, lines, bytes: data.length, digest, sha256, origin });
    file.contents.push(data);
    stored.set(name, file);
  }
  const given = [...stored.values()].map(({ mark, contents }): StoredFile => ({ mark, data: each(contents) }));
  await rehydrate(on.harness, on.place, { native_id, started_at: null }, given);
  return native_id;
}

/** As the program's ACP adapter tells it, and the server keeps it. */
function itemRecord(
  { role, kind, text, name, id }: ConversationItem,
  all: ConversationItem[],
  from: CrossingHarness,
): [string, Record<string, unknown>][] {
  if (kind === 'result') return [];
  if (kind === 'text' && role === 'user') return [['user_message', { prompt: text.trim() }]];
  if (kind === 'text') return [['agent_message', { blocks: [{ type: 'text', text }], continues: false }]];
  const input = JSON.parse(text) as Record<string, unknown>;
  const command = String(input[SHELLS[from].input]);
  const result = all.find((item) => item.kind === 'result' && item.id === id)!.text;
  const common = { toolCallId: id, kind: 'execute', title: command, status: 'completed' };
  const content = [{ type: 'content', content: { type: 'text', text: result } }];
  const told: Record<CrossingHarness, Record<string, unknown>> = {
    codex: { rawInput: { command, cwd: '/w' }, rawOutput: { exit_code: 0 }, content },
    claude: { rawInput: input, rawOutput: result, _meta: { claudeCode: { toolName: name } } },
  };
  return [['tool_call', { status: 'completed', tool_call: { ...common, ...told[from] } }]];
}

function recordsOf(items: [string, Record<string, unknown>][]): CrossingRecord[] {
  return items.map(([type, content], index) => {
    const at = new Date(Date.UTC(2026, 0, 15, 8, 0, index)).toISOString();
    const record_id = `0000000000000000_${String(index).padStart(16, '0')}`;
    return { record_id, type, content, started_at: at, ended_at: at };
  });
}

function uuidV7(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

async function* each(contents: Buffer[]): AsyncIterable<Buffer> {
  yield* contents;
}

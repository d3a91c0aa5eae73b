import { appendFile } from 'node:fs/promises';
import {
  chunkFiles,
  ConversationLoadFailed,
  fromEnvelope,
  NativeCapture,
  rehydrate,
  toEnvelope,
  type EnvelopeFormat,
  type NativeHarness,
} from '../../src/index.js';
import {
  harnessOf,
  installSample,
  machine,
  read,
  SAMPLE_IDS,
  STARTED_AT,
  Store,
  type Machine,
} from './native-world.js';

const head = (harness: NativeHarness) => {
  return { native_id: SAMPLE_IDS[harness.name]!, started_at: STARTED_AT, harness_version: '9.9' };
};
const claude = harnessOf('claude');
const codex = harnessOf('codex');

describe('N11: envelopes', () => {
  const machines: Machine[] = [];
  const newMachine = async (options?: Parameters<typeof machine>[0]) => {
    machines.push(await machine(options));
    return machines.at(-1)!;
  };
  afterEach(async () => {
    for (const made of machines.splice(0)) await made.remove();
  });
  const stored = async (harness: NativeHarness, place: Machine, store = new Store()) => {
    const capture = new NativeCapture(harness, place, SAMPLE_IDS[harness.name]!, store.marks);
    await store.save(capture, await harness.origin(place));
    return store;
  };
  const sampleStored = async (harness: NativeHarness) => {
    const place = await newMachine();
    const files = await installSample(harness, place);
    return { place, files, store: await stored(harness, place) };
  };
  const envelope = async (harness: NativeHarness, format: EnvelopeFormat, store: Store) => {
    let text = '';
    for await (const piece of toEnvelope(harness, format, head(harness), store.files())) text += piece;
    return JSON.parse(text) as Record<string, unknown>;
  };

  it.each(['claude', 'codex', 'scripted'])('the native one of %s loses nothing', async (name) => {
    const harness = harnessOf(name);
    const { place, files, store } = await sampleStored(harness);
    await appendFile(files[0]!.path, Buffer.from('{"n":1}\r\n\nno json\n\ufeff\xe9\n', 'latin1'));
    await stored(harness, place, store);
    const opened = fromEnvelope('native', await envelope(harness, 'native', store));
    expect(opened).toMatchObject({ ...head(harness), harness: name, cwd: place.cwd });
    expect(opened.files.map((file) => [file.name, file.mode, file.data.toString('latin1')]).sort()).toEqual(
      store.marks.map((mark) => [mark.name, mark.mode, Buffer.concat(store.raw(mark.name)).toString('latin1')]).sort(),
    );
  });

  it('content at hand is stored with the digests of its capture, so a pushed envelope is the same conversation', async () => {
    for (const harness of [claude, codex]) {
      const { place, store } = await sampleStored(harness);
      const { files } = fromEnvelope('native', await envelope(harness, 'native', store));
      const digests = new Map<string, string>();
      const origin = await harness.origin(place);
      for await (const { name, chunk } of chunkFiles(harness, SAMPLE_IDS[harness.name]!, origin, files)) {
        digests.set(name, chunk.digest);
      }
      expect(Object.fromEntries(digests)).toEqual(
        Object.fromEntries(store.marks.map(({ name, digest }) => [name, digest])),
      );
    }
  });

  it("claude_code_cli has the transcript's lines, the subagents' and the todos", async () => {
    const { place, store } = await sampleStored(claude);
    const made = await envelope(claude, 'claude_code_cli', store);
    const lines = store.content('main.jsonl').trimEnd().split('\n');
    expect(made).toEqual({
      cwd: place.cwd,
      uuid: SAMPLE_IDS['claude'],
      claude_version: '9.9',
      entries: lines.map((line) => JSON.parse(line) as unknown),
      subagents: { 'agent-a1b2c3': expect.arrayContaining([expect.objectContaining({ agentId: 'a1b2c3' })]) },
      todos: {
        [`${SAMPLE_IDS['claude']}-agent-${SAMPLE_IDS['claude']}`]: [{ content: 'List recipes', status: 'completed' }],
      },
    });

    const opened = fromEnvelope('claude_code_cli', made);
    expect(opened).toMatchObject({
      harness: 'claude',
      native_id: SAMPLE_IDS['claude'],
      cwd: place.cwd,
      harness_version: '9.9',
      started_at: '2026-01-15T08:00:00.100Z',
    });
    expect(opened.files.map(({ name, mode }) => [name, mode])).toEqual([
      ['main.jsonl', 'lines'],
      ['subagents/agent-a1b2c3.jsonl', 'lines'],
      [`todos/${SAMPLE_IDS['claude']}-agent-${SAMPLE_IDS['claude']}.json`, 'whole'],
    ]);
  });

  it('codex_cli has the lines of the rollout', async () => {
    const { place, store } = await sampleStored(codex);
    const made = await envelope(codex, 'codex_cli', store);
    expect(made).toEqual({
      cwd: place.cwd,
      session_id: SAMPLE_IDS['codex'],
      codex_version: '9.9',
      session_start_timestamp: STARTED_AT,
      entries: expect.any(Array),
    });
    expect(made.entries).toHaveLength(7);
    delete made.session_start_timestamp;
    const opened = fromEnvelope('codex_cli', made);
    expect(opened).toMatchObject({ harness: 'codex', native_id: SAMPLE_IDS['codex'], started_at: STARTED_AT });
    expect(opened.files.map(({ name }) => name)).toEqual([codex.mainName(SAMPLE_IDS['codex']!)]);
  });

  it('one of a conversation that moved is as if all of it had been written where its newest lines were', async () => {
    const { store } = await sampleStored(codex);
    const there = await newMachine({ cwd: 'next' });
    const written = await rehydrate(codex, there, head(codex), store.files());
    const main = written.find(({ name }) => name === codex.mainName(SAMPLE_IDS['codex']!))!;
    await appendFile(main.path, '{"type":"response_item","payload":{"n":2}}\n');
    await stored(codex, there, store);
    const made = await envelope(codex, 'codex_cli', store);
    expect(made.cwd).toBe(there.cwd);
    expect((made.entries as { payload: { cwd?: string } }[])[0]!.payload.cwd).toBe(there.cwd);
    const { files } = fromEnvelope('native', await envelope(codex, 'native', store));
    expect(files[0]!.data.toString()).toBe(await read(main.path));
  });

  it('lines that are no JSON are left out of the shapes that know only JSON', async () => {
    const { place, files, store } = await sampleStored(claude);
    const main = files.find(({ name }) => name === 'main.jsonl')!;
    await appendFile(main.path, 'no json\n\n{"last":1e400}\n');
    await stored(claude, place, store);
    const { entries } = await envelope(claude, 'claude_code_cli', store);
    expect(entries as unknown[]).toHaveLength(8);
  });

  it('a format of another harness is refused', async () => {
    const { store } = await sampleStored(claude);
    await expect(envelope(claude, 'codex_cli', store)).rejects.toThrow(RangeError);
  });

  it('stored content that is damaged is refused by type', async () => {
    const { store } = await sampleStored(claude);
    const [file] = store.files();
    const mark = { ...file!.mark, chunks: file!.mark.chunks.map((chunk) => ({ ...chunk, sha256: '00' })) };
    const damaged = toEnvelope(claude, 'native', head(claude), [{ ...file!, mark }]);
    const reading = (async () => {
      for await (const _ of damaged);
    })();
    await expect(reading).rejects.toThrow(ConversationLoadFailed);
  });

  const uuid = SAMPLE_IDS['claude']!;
  it.each<[EnvelopeFormat, unknown]>([
    ['claude_code_cli', null],
    ['claude_code_cli', []],
    ['claude_code_cli', { cwd: '/w', uuid, entries: {} }],
    ['claude_code_cli', { cwd: 'w', uuid, entries: [{}] }],
    ['claude_code_cli', { cwd: '/w', uuid: '../x', entries: [{}] }],
    ['claude_code_cli', { cwd: '/w', uuid, entries: [{}], subagents: { '../../x': [] } }],
    ['claude_code_cli', { cwd: '/w', uuid, entries: [{}], subagents: { x: {} } }],
    ['claude_code_cli', { cwd: '/w', uuid, entries: [{}], todos: { 'a/../../b': {} } }],
    ['codex_cli', { cwd: '/w', session_id: 7, entries: [] }],
    ['codex_cli', { cwd: '/w', entries: [] }],
    ['native', { harness: 'x', native_id: 'y', cwd: '/w', files: [{ name: '../x', mode: 'lines', content: [] }] }],
    ['native', { harness: 'x', native_id: 'y', cwd: '/w', files: [{ name: 'x', mode: 'other', content: [] }] }],
    ['native', { harness: 'x', native_id: 'y', cwd: '/w', files: [{ name: 'x', mode: 'lines', content: [7] }] }],
  ])('%s: what is not of its format is refused by type (%j)', (format, json) => {
    expect(() => fromEnvelope(format, json)).toThrow(ConversationLoadFailed);
  });
});

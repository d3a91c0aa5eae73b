import { readFile } from 'node:fs/promises';
import {
  ConversationLoadFailed,
  NativeCapture,
  NativeFileUnusable,
  NativeIdUnknown,
  rehydrate,
  UnsafeNativePath,
} from '../../src/index.js';
import { harnessOf, machine, Store, type Machine } from './native-world.js';

const opencode = harnessOf('opencode');
const exchange = opencode.exchange!;
const nativeId = 'ses_1fe69d37cffeA1b2C3d4E5f6G7';

const info = {
  id: nativeId,
  directory: '/somewhere',
  title: 'T',
  version: '1.18.33',
  time: { created: 1768464000016 },
};
const asked = (id: string, text: string, more: object = {}) => ({
  info: { role: 'user', id, time: { created: 1 }, ...more },
  parts: [{ type: 'text', text }],
});
const answered = (id: string, text: string, time: object = { created: 1, completed: 2 }, state: object = {}) => ({
  info: { role: 'assistant', id, time },
  parts: [
    { type: 'tool', state: { output: 'out', time: { start: 1, end: 2, ...state } } },
    { type: 'text', text },
  ],
});
const printed = (messages: object[], more: object = {}) =>
  Buffer.from(JSON.stringify({ info: { ...info, ...more }, messages }, null, 2));

describe('opencode', () => {
  let place: Machine;
  let store: Store;
  beforeEach(async () => {
    place = await machine();
    store = new Store();
  });
  afterEach(() => place.remove());

  const takeUp = async (messages: object[], more: object = {}) => {
    await exchange.unpack(place, nativeId, printed(messages, more));
    const capture = new NativeCapture(opencode, place, nativeId, structuredClone(store.marks));
    return store.save(capture, await opencode.origin(place));
  };
  const packed = async (at: Machine) =>
    JSON.parse(await readFile(await exchange.pack(at, nativeId), 'utf8')) as { info: object; messages: object[] };

  describe('N21: what the program printed is what it is given back', () => {
    const messages = [asked('msg_1', 'Grüße 🙂'), answered('msg_2', 'one'), asked('msg_3', 'two')];

    it('on another machine, to the last field', async () => {
      await takeUp(messages, { later: { b: 1, a: 2 } });
      const there = await machine({ cwd: 'other/my work_2' });
      await rehydrate(opencode, there, { native_id: nativeId, started_at: null }, store.files());
      expect(await packed(there)).toEqual({ info: { ...info, later: { b: 1, a: 2 } }, messages });
      await there.remove();
    });

    it('with the message that it was killed in, which is no line until it has an end', async () => {
      const unfinished = answered('msg_4', 'so f', { created: 1 });
      await takeUp([...messages, unfinished]);
      expect(store.content('messages.jsonl').trimEnd().split('\n')).toHaveLength(3);
      expect((await packed(place)).messages).toEqual([...messages, unfinished]);

      const finished = answered('msg_4', 'so far');
      expect(await takeUp([...messages, finished])).toMatchObject([
        { name: 'messages.jsonl', kind: 'append', from_line: 4 },
        { name: 'session.json', kind: 'replace' },
      ]);
      expect((await packed(place)).messages).toEqual([...messages, finished]);
    });

    it('and tells of its beginning', async () => {
      await takeUp(messages);
      const [main] = await opencode.locate(place, nativeId);
      expect(await opencode.describe(main!.path)).toEqual({
        started_at: '2026-01-15T08:00:00.016Z',
        harness_version: '1.18.33',
      });
    });
  });

  describe('N22: a message is the same whatever the program adds to it later', () => {
    const before = [asked('msg_1', 'one'), answered('msg_2', 'two')];

    it.each<[string, object[], object]>([
      ['a summary of its changes', [asked('msg_1', 'one', { summary: { diffs: [1] } }), before[1]!], {}],
      ['the time its output was dropped', [before[0]!, answered('msg_2', 'two', undefined, { compacted: 9 })], {}],
      ['another order of keys', [before[0]!, { parts: answered('msg_2', 'two').parts, info: before[1]!.info }], {}],
      ['another working directory', before, { directory: '/elsewhere', path: 'elsewhere', projectID: 'p2' }],
    ])('%s is no news', async (_, after, more) => {
      await takeUp(before);
      expect(await takeUp(after, more)).toEqual([]);
    });

    it('other words are another past', async () => {
      await takeUp(before);
      expect(await takeUp([before[0]!, answered('msg_2', 'three')])).toMatchObject([
        { name: 'messages.jsonl', kind: 'diverged', keep_lines: 0 },
      ]);
    });

    it('another title is news', async () => {
      await takeUp(before);
      expect(await takeUp(before, { title: 'Other' })).toMatchObject([{ name: 'session.json', kind: 'replace' }]);
    });
  });

  it.each([
    ['another session', Buffer.from(JSON.stringify({ info: { ...info, id: 'ses_other' }, messages: [] }))],
    ['half an export', printed([asked('msg_1', 'one')]).subarray(0, 40)],
    ['messages that are none', printed([{ info: {} }])],
  ])('does not take %s for its export', async (_, bytes) => {
    await expect(exchange.unpack(place, nativeId, bytes)).rejects.toThrow(ConversationLoadFailed);
    expect(await opencode.locate(place, nativeId)).toEqual([]);
  });

  it('needs a folder to unpack into, and ids and names of its own', async () => {
    await expect(opencode.locate({ ...place, exchange: undefined }, nativeId)).rejects.toThrow(NativeFileUnusable);
    await expect(opencode.locate(place, '../x')).rejects.toThrow(UnsafeNativePath);
    const conversation = { native_id: nativeId, started_at: null };
    await expect(opencode.targetPath(place, conversation, '../session.json')).rejects.toThrow(UnsafeNativePath);
  });

  describe('its command lines', () => {
    const request = (more: object = {}) => ({
      place,
      native_id: null,
      prompt: 'say it',
      approvals: 'deny' as const,
      model: null,
      ...more,
    });
    const asking = { OPENCODE_PERMISSION: '{"edit":"ask","bash":"ask","webfetch":"ask"}' };

    it('give the prompt by stdin, and refuse what would be asked', () => {
      const { argv, env, stdin, files } = opencode.freshCommand(request());
      expect({ argv, env, stdin, files }).toEqual({
        argv: ['opencode', 'run', '--format', 'json'],
        env: asking,
        stdin: 'say it',
        files: [],
      });
    });

    it('resume, with a model, asking nothing', () => {
      const { argv } = opencode.resumeCommand(request({ native_id: nativeId, approvals: 'bypass', model: 'p/m' }));
      expect(argv).toEqual(['opencode', 'run', '--format', 'json', '--auto', '--model', 'p/m', '--session', nativeId]);
    });

    it('open the session in a terminal', () => {
      const { argv, stdin } = opencode.resumeCommand(request({ native_id: nativeId, prompt: null }));
      expect([argv, stdin]).toEqual([['opencode', '--session', nativeId], null]);
    });

    it('delete what is there before an import, which would leave it among what comes', () => {
      const argvs = (isThere: boolean) =>
        exchange.importCommands(place, nativeId, '/x/import.json', { isThere }).map(({ argv }) => argv.slice(1));
      expect(argvs(false)).toEqual([['import', '/x/import.json']]);
      expect(argvs(true)).toEqual([
        ['session', 'delete', nativeId],
        ['import', '/x/import.json'],
      ]);
      expect(exchange.exportCommand(place, nativeId)).toMatchObject({
        argv: ['opencode', 'export', nativeId],
        display: `cd ${place.cwd} && opencode export ${nativeId}`,
      });
    });

    it('take no id for a new session, and need one for a resume', () => {
      expect(() => opencode.freshCommand(request({ native_id: nativeId }))).toThrow(NativeIdUnknown);
      expect(() => opencode.resumeCommand(request())).toThrow(NativeIdUnknown);
      expect(() => exchange.exportCommand(place, '--help')).toThrow(UnsafeNativePath);
    });
  });
});

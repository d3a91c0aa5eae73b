import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NativeCapture, NativeIdUnknown, UnsafeNativePath, type NativeOrigin } from '../../src/index.js';
import { harnessOf, machine, Store, type Machine } from './native-world.js';

const gemini = harnessOf('gemini');
const nativeId = '7d1b434e-835d-4e4a-aefb-cc09eed8179d';
const sameDigits = '7d1b434e-0000-4000-8000-000000000000';
const conversation = { native_id: nativeId, started_at: null };
const oldName = 'session-2020-01-01T00-00-7d1b434e.jsonl';

const lines = (...values: object[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('');
const header = (sessionId = nativeId) => ({ sessionId, projectHash: '0', startTime: '2026-01-15T08:00:00.016Z' });
const response = [
  { functionResponse: { id: 'c1', name: 'run', response: { output: 'a "quoted" 12345678901234567890' } } },
];
const call = { id: 'm2', type: 'gemini', content: '', toolCalls: [{ id: 'c1', name: 'run', result: response }] };
const doubled = { id: 'm3', type: 'user', content: response };
const said = { id: 'm1', type: 'user', content: [{ text: 'what is a "functionResponse"?' }] };

describe('Gemini CLI', () => {
  let place: Machine;
  let origin: NativeOrigin;
  beforeEach(async () => {
    place = await machine();
    origin = await gemini.origin(place);
  });
  afterEach(() => place.remove());

  const write = async (file: string, content: string) => {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
    return file;
  };
  const chat = (name: string, content: string, slug = 'code') =>
    write(path.join(origin.root, 'tmp', slug, 'chats', name), content);
  const register = (projects: Record<string, string>) =>
    write(path.join(origin.root, 'projects.json'), JSON.stringify({ projects }));
  const markAs = (slug: string, owner: string) => write(path.join(origin.root, 'tmp', slug, '.project_root'), owner);
  const mainPath = async () => (await gemini.locate(place, nativeId))[0]?.path;

  it('lists the conversations of a working directory, each once, the one that was written last first', async () => {
    expect(await gemini.recent!(place, 10)).toEqual([]);
    await register({ [origin.cwd]: 'code' });
    const files = [header(), header(sameDigits), header()];
    for (const [n, head] of files.entries()) {
      await utimes(await chat(`session-2026-01-15T08-0${n}-7d1b434e.jsonl`, lines(head)), n, n);
    }
    expect(await gemini.recent!(place, 10)).toEqual([
      { native_id: nativeId, modified_at: new Date(2000) },
      { native_id: sameDigits, modified_at: new Date(1000) },
    ]);
    expect(await gemini.recent!(place, 1)).toHaveLength(1);
  });

  describe('N17: the file with most lines of an id is the conversation', () => {
    it('not a newer stub, nor a longer one of another id with the same eight digits', async () => {
      await register({ [origin.cwd]: 'code' });
      const main = await chat('session-2026-01-15T08-00-7d1b434e.jsonl', lines(header(), said, call));
      const stub = await chat(
        'session-2026-01-15T09-00-7d1b434e.jsonl',
        lines(header(), { $set: { pad: 'x'.repeat(9999) } }),
      );
      await chat('session-2026-01-15T07-00-7d1b434e.jsonl', lines(header(sameDigits), said, call, said, call));
      await utimes(main, 1, 1);
      expect(await mainPath()).toBe(main);
      const memory = new Map();
      expect((await gemini.locate(place, nativeId, memory))[0]?.path).toBe(main);
      expect((await gemini.locate(place, nativeId, memory))[0]?.path).toBe(main);
      expect((await gemini.locate(place, sameDigits))[0]?.path).not.toBe(stub);
      expect(await gemini.describe(main)).toEqual({ started_at: '2026-01-15T08:00:00.016Z', harness_version: null });
    });

    it('with its subagents and large outputs', async () => {
      await register({ [origin.cwd]: 'code' });
      await chat(oldName, lines(header()));
      await chat(`${nativeId}/helper.jsonl`, lines(header('helper')));
      await write(path.join(origin.root, 'tmp/code/tool-outputs', `session-${nativeId}`, 'run_1.txt'), 'much');
      await write(path.join(origin.root, 'tmp/code/tool-outputs', `session-${sameDigits}`, 'run_1.txt'), 'other');
      // No version can have it, and it does not keep the others from being saved.
      await write(path.join(origin.root, 'tmp/code/tool-outputs', `session-${nativeId}`, 'a\nb.txt'), 'x');
      expect((await gemini.locate(place, nativeId)).map(({ name, mode }) => [name, mode])).toEqual([
        ['chat.jsonl', 'lines'],
        ['subagents/helper.jsonl', 'lines'],
        ['tool-outputs/run_1.txt', 'whole'],
      ]);
    });
  });

  describe('N18: a conversation is in the folder of its own working directory, where alone the program looks', () => {
    it('found by the registry, or by the mark where there is no entry', async () => {
      const main = await chat(oldName, lines(header()), 'some-slug');
      expect(await mainPath()).toBeUndefined();
      await register({ [origin.cwd]: 'some-slug' });
      expect(await mainPath()).toBe(main);
      await register({});
      await markAs('some-slug', `${origin.cwd}\n`);
      expect(await mainPath()).toBe(main);
    });

    it('not by an entry for a folder that is marked as another directory’s', async () => {
      await chat(oldName, lines(header()), 'taken');
      await register({ [origin.cwd]: 'taken' });
      await markAs('taken', '/elsewhere');
      expect(await mainPath()).toBeUndefined();
    });

    it('a new folder is marked, and two directories of one name never share one', async () => {
      const target = (cwd: string) => gemini.targetPath({ ...place, cwd }, conversation, 'chat.jsonl');
      const folders = [place.cwd, path.join(place.folder, 'other/code'), path.join(place.folder, 'other/My_Work 2')];
      const first = await Promise.all([target(folders[0]!), target(folders[2]!)]);
      const second = await target(folders[1]!);
      const files = [first[0]!, second, first[1]!];
      expect(files.map((file) => path.relative(origin.root, file))).toEqual([
        `tmp/code/chats/${oldName}`,
        `tmp/code-1/chats/${oldName}`,
        `tmp/my-work-2/chats/${oldName}`,
      ]);
      for (const base of ['tmp', 'history']) {
        const owner = (slug: string) => readFile(path.join(origin.root, base, slug, '.project_root'), 'utf8');
        expect(await Promise.all(['code', 'code-1', 'my-work-2'].map(owner))).toEqual(folders);
      }
      expect(await target(folders[1]!)).toBe(second);
    });

    it('a file that is there wins over the computed one, which is free of other conversations', async () => {
      const known = await chat('session-2026-01-15T08-00-7d1b434e.jsonl', lines(header()));
      await chat(oldName, lines(header(sameDigits)));
      await register({ [origin.cwd]: 'code' });
      expect(await gemini.targetPath(place, conversation, 'chat.jsonl')).toBe(known);
      const other = { native_id: '7d1b434e-1111-4000-8000-000000000000', started_at: null };
      expect(path.basename(await gemini.targetPath(place, other, 'chat.jsonl'))).toBe(
        'session-2020-01-01T00-01-7d1b434e.jsonl',
      );
    });

    it.each(['../chat.jsonl', 'subagents/../../x.jsonl', 'subagents/a/b.jsonl', 'subagents/x.txt', 'logs.json', ''])(
      'has no place for %j',
      async (name) => {
        await expect(gemini.targetPath(place, conversation, name)).rejects.toThrow(UnsafeNativePath);
      },
    );
  });

  describe('N19: a result that the program kept twice is sent once', () => {
    const note = (value: object) => JSON.stringify({ ...value, type: 'info' });
    const relocated = (text: string) =>
      gemini.relocate(nativeId, 'chat.jsonl', origin, origin, null)(Buffer.from(text));
    const canonical = (text: string) => gemini.canonical(nativeId, 'chat.jsonl', origin)(Buffer.from(text)).toString();

    it('the message of the user becomes a note, and not a byte of it changes otherwise', () => {
      const text = JSON.stringify(doubled, null, 1).replaceAll('\n', ' ');
      expect(relocated(text).toString()).toBe(text.replace('"user"', '"info"'));
    });

    it('also among the messages that a resume appends again', () => {
      const messages = [said, call, { ...doubled, id: 'm2_response' }, doubled, said];
      expect(relocated(JSON.stringify({ $set: { messages, lastUpdated: 'x' } })).toString()).toBe(
        `{"$set":{"messages":[${JSON.stringify(said)},${JSON.stringify(call)},${note({ ...doubled, id: 'm2_response' })},${note(doubled)},${JSON.stringify(said)}],"lastUpdated":"x"}}`,
      );
    });

    it.each<[string, object]>([
      ['a prompt', said],
      ['a call with its result', call],
      ['a prompt beside a result', { ...doubled, content: [...response, { text: 'and?' }] }],
      ['a list of nothing', { ...doubled, content: [] }],
      ['words about it', { ...doubled, content: 'functionResponse: {"functionResponse":1}' }],
    ])('%s stays as it is', (_, value) => {
      const line = Buffer.from(JSON.stringify(value));
      expect(gemini.relocate(nativeId, 'chat.jsonl', origin, origin, null)(line)).toBe(line);
    });

    it('both forms are the same conversation', () => {
      expect(canonical(note(doubled))).toBe(canonical(JSON.stringify(doubled)));
    });
  });

  describe('N20: a home’s own copy is settled before the program goes on with it', () => {
    it('under the name of a minute long past, without doubled results, and nothing is news', async () => {
      await register({ [origin.cwd]: 'code' });
      await chat('session-2026-01-15T08-00-7d1b434e.jsonl', lines(header(), said, call, doubled));
      const store = new Store();
      await store.save(new NativeCapture(gemini, place, nativeId, []), origin);

      await gemini.settle!(place, nativeId);
      const chats = path.join(origin.root, 'tmp/code/chats');
      expect(await readdir(chats)).toEqual([oldName]);
      const settled = await readFile(path.join(chats, oldName), 'utf8');
      expect(settled).toBe(lines(header(), said, call, { ...doubled, type: 'info' }));
      expect(await new NativeCapture(gemini, place, nativeId, store.marks).changes()).toEqual([]);

      await gemini.settle!(place, nativeId);
      expect(await readdir(chats)).toEqual([oldName]);
      expect(await readFile(path.join(chats, oldName), 'utf8')).toBe(settled);
    });

    it('only renamed where no result is doubled, and nothing happens where it is not there', async () => {
      await gemini.settle!(place, nativeId);
      await register({ [origin.cwd]: 'code' });
      await gemini.settle!(place, nativeId);
      await chat('session-2026-01-15T08-00-7d1b434e.jsonl', lines(header(), said));
      await gemini.settle!(place, nativeId);
      expect(await readdir(path.join(origin.root, 'tmp/code/chats'))).toEqual([oldName]);
    });
  });

  describe('N23: after a resume no start of the program deletes conversations', () => {
    const settings = () => path.join(origin.root, 'settings.json');
    const retention = { general: { sessionRetention: { enabled: false } } };
    beforeEach(async () => {
      await register({ [origin.cwd]: 'code' });
      await chat(oldName, lines(header()));
    });

    it('settling turns retention off, and leaves all other settings', async () => {
      await gemini.settle!(place, nativeId);
      expect(JSON.parse(await readFile(settings(), 'utf8'))).toEqual(retention);

      const own = {
        ui: { theme: 'x' },
        general: { vimMode: true, sessionRetention: { enabled: true, maxAge: '30d' } },
      };
      await writeFile(settings(), JSON.stringify(own));
      await gemini.settle!(place, nativeId);
      expect(JSON.parse(await readFile(settings(), 'utf8'))).toEqual({
        ui: { theme: 'x' },
        general: { vimMode: true, sessionRetention: { enabled: false, maxAge: '30d' } },
      });
    });

    it('settings with comments are left to the person who wrote them, and asked for', async () => {
      await writeFile(settings(), '{ // mine\n}');
      await expect(gemini.settle!(place, nativeId)).rejects.toThrow('set general.sessionRetention.enabled to false');
      const decided = '{ // mine\n "general": { "sessionRetention": { "enabled": false } } }';
      await writeFile(settings(), decided);
      await gemini.settle!(place, nativeId);
      expect(await readFile(settings(), 'utf8')).toBe(decided);
    });
  });

  describe('its command lines', () => {
    const request = (more: object = {}) => ({
      place,
      native_id: nativeId,
      prompt: 'say "it"',
      approvals: 'deny' as const,
      model: null,
      ...more,
    });

    it('give the prompt by stdin, refuse what would be asked, and keep the program from deleting conversations', () => {
      expect(gemini.freshCommand(request())).toEqual({
        argv: [
          'gemini',
          '--output-format',
          'stream-json',
          '--skip-trust',
          '--approval-mode',
          'default',
          '--session-id',
          nativeId,
        ],
        env: {},
        stdin: 'say "it"',
        files: [
          {
            path: path.join(place.home, '.gemini/settings.json'),
            merge: { general: { sessionRetention: { enabled: false } } },
            mode: 0o600,
          },
        ],
        display: `cd ${place.cwd} && printf %s 'say "it"' | gemini --output-format stream-json --skip-trust --approval-mode default --session-id ${nativeId}`,
      });
    });

    it('resume, with a model, asking nothing', () => {
      const { argv } = gemini.resumeCommand(request({ approvals: 'bypass', model: 'a-model' }));
      expect(argv.slice(4)).toEqual(['--approval-mode', 'yolo', '--model', 'a-model', '--resume', nativeId]);
    });

    it('leave a person’s own settings alone in a terminal', () => {
      const { argv, stdin } = gemini.resumeCommand(request({ prompt: null }));
      expect([argv, stdin]).toEqual([['gemini', '--resume', nativeId], null]);
    });

    it('need an id', () => {
      expect(() => gemini.freshCommand(request({ native_id: null }))).toThrow(NativeIdUnknown);
      expect(() => gemini.resumeCommand(request({ native_id: '--help' }))).toThrow(UnsafeNativePath);
    });
  });
});

import { mkdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  ConversationLoadFailed,
  NativeCapture,
  rehydrate,
  UnsafeNativePath,
  type NativeHarness,
  type StoredFile,
} from '../../src/index.js';
import { filesBelow } from '../../src/native/native-folders.js';
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

const claude = harnessOf('claude');

describe('rehydrating', () => {
  const machines: Machine[] = [];
  const newMachine = async (options?: Parameters<typeof machine>[0]) => {
    const made = await machine(options);
    machines.push(made);
    return made;
  };
  afterEach(async () => {
    for (const made of machines.splice(0)) await made.remove();
  });

  const conversationOf = (harness: NativeHarness) => {
    return { native_id: SAMPLE_IDS[harness.name]!, started_at: STARTED_AT };
  };
  const stored = async (harness: NativeHarness, place: Machine) => {
    const store = new Store();
    await installSample(harness, place);
    const capture = new NativeCapture(harness, place, SAMPLE_IDS[harness.name]!, []);
    await store.save(capture, await harness.origin(place));
    return store;
  };

  describe('N7: all of a conversation is written or nothing', () => {
    it('with files for the user alone, in folders for the user alone, with fresh times', async () => {
      const store = await stored(claude, await newMachine());
      const there = await newMachine();
      const longAgo = Date.now() - 60_000;
      const written = await rehydrate(claude, there, conversationOf(claude), store.files());
      expect(written.map(({ name }) => name).sort()).toEqual(store.marks.map(({ name }) => name).sort());
      for (const { path: file } of written) {
        const { mode, mtimeMs } = await stat(file);
        expect(mode & 0o777).toBe(0o600);
        expect(mtimeMs).toBeGreaterThan(longAgo);
        expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
      }
    });

    const damages: [string, (files: StoredFile[]) => StoredFile[]][] = [
      ['a byte that is another', (files) => changeData(files, (data) => Buffer.from(data).fill(0x78, 5, 6))],
      ['bytes that are missing', (files) => changeData(files, (data) => data.subarray(0, -1))],
      ['bytes that are too many', (files) => changeData(files, (data) => Buffer.concat([data, Buffer.from('x')]))],
      ['no main file', (files) => files.filter(({ mark }) => mark.name !== 'main.jsonl')],
      ['a file twice', (files) => [...files, ...files.slice(-1)]],
      ['nothing at all', () => []],
    ];
    it.each(damages)('content with %s is refused, and what was there stays', async (_, damage) => {
      const store = await stored(claude, await newMachine());
      const there = await newMachine();
      const before = await rehydrate(claude, there, conversationOf(claude), store.files());
      const main = before.find(({ name }) => name === 'main.jsonl')!.path;
      await writeFile(main, 'what was there\n');

      const attempt = rehydrate(claude, there, conversationOf(claude), damage(store.files()));
      await expect(attempt).rejects.toThrow(ConversationLoadFailed);
      expect(await read(main)).toBe('what was there\n');
      expect((await all(there.home)).sort()).toEqual(before.map((file) => file.path).sort());
    });

    it('a source that breaks off leaves what was there', async () => {
      const store = await stored(claude, await newMachine());
      const there = await newMachine();
      async function* brokenOff() {
        yield store.files()[0]!;
        throw new Error('the connection broke');
      }
      await expect(rehydrate(claude, there, conversationOf(claude), brokenOff())).rejects.toThrow('connection broke');
      expect(await all(there.home)).toEqual([]);
    });
  });

  describe('N8: nothing is written outside of the folder of the harness', () => {
    const hostileNames = [
      '../../../../escape.jsonl',
      '/tmp/escape.jsonl',
      'subagents/../../../escape.jsonl',
      'todos/../../escape.json',
      'rollouts/../../escape.jsonl',
      'subagents/a\u0000b.jsonl',
      'subagents\\..\\..\\escape.jsonl',
      'subagents//x.jsonl',
      './main.jsonl',
      'manifest.json',
      'subagents/a\u0085.jsonl',
      `${'d'.repeat(200)}/${'f'.repeat(60)}`,
      '',
    ];
    it.each(['claude', 'codex', 'scripted'].flatMap((name) => hostileNames.map((hostile) => [name, hostile])))(
      '%s: a file named %j is refused',
      async (name, hostile) => {
        const harness = harnessOf(name!);
        const store = await stored(harness, await newMachine());
        const there = await newMachine();
        const files = store.files().map((file) => ({ ...file, mark: { ...file.mark, chunks: file.mark.chunks } }));
        files.push({ ...files[0]!, mark: { ...files[0]!.mark, name: hostile! } });
        await expect(rehydrate(harness, there, conversationOf(harness), files)).rejects.toThrow(UnsafeNativePath);
        expect(await all(there.folder)).toEqual([]);
      },
    );

    it.each(['../x', 'a/b', '', '5F0C2F4E-3D0B-4C86-9D1E-0A4B7C9E2A1', `${SAMPLE_IDS['claude']}/..`])(
      'a session id %j is refused',
      async (native_id) => {
        for (const harness of [claude, harnessOf('codex'), harnessOf('scripted')]) {
          const there = await newMachine();
          expect(harness.isNativeId(native_id)).toBe(false);
          const target = harness.targetPath(there, { native_id, started_at: null }, harness.mainName(native_id));
          await expect(target).rejects.toThrow(UnsafeNativePath);
          await expect(harness.locate(there, native_id)).rejects.toThrow(UnsafeNativePath);
        }
      },
    );

    it('a folder that is a symbolic link out of it is refused', async () => {
      const store = await stored(claude, await newMachine());
      const there = await newMachine();
      const outside = path.join(there.folder, 'outside');
      await mkdir(outside);
      await mkdir(path.join(there.home, '.claude'));
      await symlink(outside, path.join(there.home, '.claude/projects'));
      const attempt = rehydrate(claude, there, conversationOf(claude), store.files());
      await expect(attempt).rejects.toThrow(UnsafeNativePath);
      expect(await all(outside)).toEqual([]);
    });

    it('a link in the place of a file is replaced, and what it led to stays', async () => {
      const store = await stored(claude, await newMachine());
      const there = await newMachine();
      const secret = path.join(there.folder, 'secret');
      await writeFile(secret, 'secret');
      const target = await claude.targetPath(there, conversationOf(claude), 'main.jsonl');
      await mkdir(path.dirname(target), { recursive: true });
      await symlink(secret, target);
      await rehydrate(claude, there, conversationOf(claude), store.files());
      expect(await read(secret)).toBe('secret');
      expect(await read(target)).toContain('köttbullar');
    });

    it("a harness's folder may itself be a link: that is how its user wants it", async () => {
      const store = await stored(claude, await newMachine());
      const there = await newMachine();
      await mkdir(path.join(there.folder, 'dotfiles'));
      await symlink(path.join(there.folder, 'dotfiles'), path.join(there.home, '.claude'));
      await rehydrate(claude, there, conversationOf(claude), store.files());
      expect(await all(path.join(there.folder, 'dotfiles'))).toHaveLength(store.marks.length);
    });
  });

  describe('N9: where the home already has the conversation, it is written there', () => {
    it('stale files of an earlier turn are replaced', async () => {
      const here = await newMachine();
      const store = await stored(claude, here);
      const there = await newMachine({ cwd: 'elsewhere' });
      await rehydrate(claude, there, conversationOf(claude), store.files());
      const [before] = await claude.locate(there, SAMPLE_IDS['claude']!);
      await writeFile(before!.path, '{"stale":true}\n');
      await utimes(before!.path, new Date(0), new Date(0));

      const again = { ...there, cwd: here.cwd };
      await rehydrate(claude, again, conversationOf(claude), store.files());
      const [after] = await claude.locate(again, SAMPLE_IDS['claude']!);
      expect(after!.path).toBe(before!.path);
      expect(await read(after!.path)).toContain('köttbullar');
    });
  });

  it('N7: where one file cannot be put in its place, the conversation is not changed, and nothing is left over', async () => {
    const store = await stored(claude, await newMachine());
    const there = await newMachine();
    const main = await claude.targetPath(there, conversationOf(claude), 'main.jsonl');
    // A folder where a file belongs: only the renaming fails, and only of that file.
    const inTheWay = await claude.targetPath(there, conversationOf(claude), 'tool-results/toolu_1.txt');
    await mkdir(path.join(inTheWay, 'x'), { recursive: true });
    await writeFile(main, 'what was there\n');
    await expect(rehydrate(claude, there, conversationOf(claude), store.files())).rejects.toThrow();
    expect(await read(main)).toBe('what was there\n');
    expect((await all(there.home)).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });
});

function changeData(files: StoredFile[], change: (data: Buffer) => Buffer): StoredFile[] {
  return files.map(({ mark, data }) => {
    async function* changed() {
      const parts: Buffer[] = [];
      for await (const part of data) parts.push(part);
      yield change(Buffer.concat(parts));
    }
    return { mark, data: mark.name === 'main.jsonl' ? changed() : data };
  });
}

async function all(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const file of filesBelow(folder)) files.push(file);
  return files;
}

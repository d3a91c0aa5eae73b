import { appendFile, mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NativeCapture, rehydrate, UnsafeNativePath } from '../../src/index.js';
import { harnessOf, installSample, machine, read, SAMPLE_IDS, Store, type Machine } from './native-world.js';

const claude = harnessOf('claude');
const nativeId = SAMPLE_IDS['claude']!;
const conversation = { native_id: nativeId, started_at: null };

describe('conversations of Claude Code', () => {
  let place: Machine;
  beforeEach(async () => {
    place = await machine({ cwd: 'my_work/ü 1.x' });
  });
  afterEach(() => place.remove());
  const namesAt = async (at: Machine = place) => (await claude.locate(at, nativeId)).map(({ name }) => name);

  it('are the transcript, what its subagents wrote, outputs that were moved out of it, and its todos', async () => {
    await installSample(claude, place);
    expect(await claude.locate(place, nativeId)).toEqual([
      { name: 'main.jsonl', mode: 'lines', path: expect.any(String) },
      { name: 'subagents/agent-a1b2c3.jsonl', mode: 'lines', path: expect.any(String) },
      { name: 'subagents/agent-a1b2c3.meta.json', mode: 'whole', path: expect.any(String) },
      { name: 'tool-results/toolu_1.txt', mode: 'whole', path: expect.any(String) },
      { name: `todos/${nativeId}-agent-${nativeId}.json`, mode: 'whole', path: expect.any(String) },
    ]);
  });

  it.each(['manifest.json', 'a\u0085.txt', `${'d'.repeat(200)}/${'f'.repeat(60)}.txt`, 'a\\b.txt', 'a\nb.txt'])(
    'a file named %j, which no version can have, does not keep the others from being saved',
    async (name) => {
      await installSample(claude, place);
      const before = await namesAt();
      const [main] = await claude.locate(place, nativeId);
      const file = path.join(path.dirname(main!.path), nativeId, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, 'x');
      expect(await namesAt()).toEqual(before);
    },
  );

  it('lie in the folder of the working directory, with "-" for all that is no letter or digit', async () => {
    const target = await claude.targetPath(place, conversation, 'main.jsonl');
    const folder = place.cwd.replaceAll('/', '-').replace('my_work', 'my-work').replace('ü 1.x', '--1-x');
    expect(target).toBe(path.join(place.home, '.claude/projects', folder, `${nativeId}.jsonl`));
  });

  it('those of a working directory can be listed, the one that was written last first', async () => {
    const newer = '5f0c2f4e-0000-4000-8000-000000000000';
    await installSample(claude, place);
    const [main] = await claude.locate(place, nativeId);
    await writeFile(path.join(path.dirname(main!.path), `${newer}.jsonl`), '{}\n');
    await writeFile(path.join(path.dirname(main!.path), 'notes.jsonl'), '{}\n');
    await utimes(main!.path, 1, 1);
    expect(await claude.recent!(place, 10)).toEqual([
      { native_id: newer, modified_at: expect.any(Date) },
      { native_id: nativeId, modified_at: new Date(1000) },
    ]);
    expect(await claude.recent!(place, 1)).toHaveLength(1);
    expect(await claude.recent!({ ...place, cwd: '/elsewhere' }, 10)).toEqual([]);
  });

  it('the working directory counts by its real path', async () => {
    const link = path.join(place.folder, 'link');
    await symlink(place.cwd, link);
    const target = await claude.targetPath({ ...place, cwd: link }, conversation, 'main.jsonl');
    expect(target).toBe(await claude.targetPath(place, conversation, 'main.jsonl'));
  });

  it('lie below CLAUDE_CONFIG_DIR where it is set', async () => {
    const env = { ...place.env, CLAUDE_CONFIG_DIR: path.join(place.folder, 'config') };
    await installSample(claude, { ...place, env });
    expect(await namesAt()).toEqual([]);
    expect(await namesAt({ ...place, env })).toHaveLength(5);
  });

  it('N9: of two files with the id the one of the working directory counts, else the one that is there', async () => {
    await installSample(claude, place);
    const [here] = await claude.locate(place, nativeId);
    const elsewhere = path.join(place.home, '.claude/projects/-some-other-folder');
    await rename(path.dirname(here!.path), elsewhere);
    const moved = path.join(elsewhere, `${nativeId}.jsonl`);
    expect(await claude.targetPath(place, conversation, 'main.jsonl')).toBe(moved);
    expect(await claude.targetPath(place, conversation, 'tool-results/x.txt')).toBe(
      path.join(elsewhere, nativeId, 'tool-results/x.txt'),
    );
    expect(await namesAt()).toHaveLength(5);

    await mkdir(path.dirname(here!.path), { recursive: true });
    await writeFile(here!.path, '{}\n');
    expect(await claude.targetPath(place, conversation, 'main.jsonl')).toBe(here!.path);
    expect(await namesAt()).toHaveLength(2);
  });

  it('a watcher finds a file that appears in the folder of the working directory after it knew another', async () => {
    await installSample(claude, place);
    const [here] = await claude.locate(place, nativeId);
    const memory = new Map<string, string | null>();
    const other = { ...place, cwd: path.join(place.folder, 'elsewhere') };
    expect((await claude.locate(other, nativeId, memory))[0]!.path).toBe(here!.path);
    const own = await claude.targetPath({ ...other, env: { HOME: '/nowhere' } }, conversation, 'main.jsonl');
    const ownHere = path.join(place.home, '.claude', path.relative('/nowhere/.claude', own));
    await mkdir(path.dirname(ownHere), { recursive: true });
    await writeFile(ownHere, '{}\n');
    expect((await claude.locate(other, nativeId, memory))[0]!.path).toBe(ownHere);
  });

  it('paths of moved outputs are those of the new place, also where the home has a quote and a space in its name', async () => {
    const store = new Store();
    await installSample(claude, place);
    await store.save(new NativeCapture(claude, place, nativeId, []), await claude.origin(place));
    const there = await machine({ home: 'o"h me', cwd: 'next' });
    try {
      const written = await rehydrate(claude, there, conversation, store.files());
      const output = written.find(({ name }) => name === 'tool-results/toolu_1.txt')!.path;
      for (const name of ['main.jsonl', 'subagents/agent-a1b2c3.jsonl']) {
        const text = await read(written.find((file) => file.name === name)!.path);
        expect(text).toContain(JSON.stringify(output).slice(1, -1));
        expect(text).not.toContain(place.home);
      }
      const paths = (await read(written[0]!.path)).match(/persistedOutputPath":("(?:[^"\\]|\\.)*")/)!;
      expect(await read(JSON.parse(paths[1]!) as string)).toContain('recipe 2');
      expect(await new NativeCapture(claude, there, nativeId, store.marks).changes()).toEqual([]);
    } finally {
      await there.remove();
    }
  });

  it('each line is relocated from where it was captured, also after a second machine has gone on with it', async () => {
    const store = new Store();
    await installSample(claude, place);
    await store.save(new NativeCapture(claude, place, nativeId, []), await claude.origin(place));
    const [second, third] = [await machine(), await machine()];
    try {
      const [{ path: main } = { path: '' }] = await rehydrate(claude, second, conversation, store.files());
      const output = await claude.targetPath(second, conversation, 'tool-results/toolu_2.txt');
      await appendFile(main, `${JSON.stringify({ persistedOutputPath: output })}\n`);
      await store.save(new NativeCapture(claude, second, nativeId, store.marks), await claude.origin(second));

      const [written] = await rehydrate(claude, third, conversation, store.files());
      const text = await read(written!.path);
      expect(text).not.toContain(place.home);
      expect(text).not.toContain(second.home);
      for (const file of ['toolu_1.txt', 'toolu_2.txt']) {
        expect(text).toContain(await claude.targetPath(third, conversation, `tool-results/${file}`));
      }
    } finally {
      await second.remove();
      await third.remove();
    }
  });

  it('a path of another machine that somebody tells of is left alone, and makes no divergence where it is true', async () => {
    const [from, to] = [await claude.origin(place), { home: '/h', root: '/h/.claude', cwd: '/w' }];
    const line = Buffer.from(`{"text":"on the other machine: ${to.root}/projects/-w/${nativeId}/tool-results/x.txt"}`);
    const moved = claude.relocate(nativeId, 'main.jsonl', from, to, null)(line);
    expect(moved).toBe(line);
    const canonical = [from, to].map((origin) => claude.canonical(nativeId, 'main.jsonl', origin)(line).toString());
    expect(canonical[0]).toBe(canonical[1]);
  });

  it.each([
    ['a longer path that ends alike', (root: string, id: string) => `/mnt${root}/projects/-w/${id}/x`],
    ['another conversation', (root: string) => `${root}/projects/-w/00000000-0000-4000-8000-000000000000/x`],
    ['the transcript itself', (root: string, id: string) => `${root}/projects/-w/${id}.jsonl`],
    ['a folder that is no project', (root: string, id: string) => `${root}/other/-w/${id}/x`],
  ])('%s is not rewritten', async (_, text) => {
    const from = await claude.origin(place);
    const to = { home: '/h', root: '/h/.claude', cwd: '/w' };
    const line = Buffer.from(JSON.stringify({ text: text(from.root, nativeId) }));
    expect(claude.relocate(nativeId, 'main.jsonl', from, to, null)(line)).toBe(line);
  });

  it('a line of many slashes and ids takes no more than its length', () => {
    const from = { home: '/h', root: '/h/.claude', cwd: '/w' };
    const line = Buffer.from(`"${'/'.repeat(2_000_000)}${`/projects/-w/${nativeId}/`.repeat(50_000)}"`);
    const started = process.cpuUsage();
    claude.canonical(nativeId, 'main.jsonl', from)(line);
    // Some 20 ms; what grows with the square of the length would take minutes.
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(10_000);
  });

  it.each([
    [`todos/${SAMPLE_IDS['codex']}-agent-x.json`],
    [`todos/${nativeId}-agent-x.txt`],
    ['todos/a/b.json'],
    ['todos'],
  ])('the list of todos %s is not written: it is not of this conversation', async (name) => {
    const attempt = claude.targetPath(place, conversation, name);
    if (name === 'todos') await expect(attempt).rejects.toThrow();
    else await expect(attempt).rejects.toThrow(UnsafeNativePath);
  });

  it('tell when they began and which version wrote them', async () => {
    await installSample(claude, place);
    const [main] = await claude.locate(place, nativeId);
    expect(await claude.describe(main!.path)).toEqual({
      started_at: '2026-01-15T08:00:00.100Z',
      harness_version: '2.1.329',
    });
    await rm(main!.path);
    expect(await claude.describe(main!.path)).toEqual({ started_at: null, harness_version: null });
  });
});

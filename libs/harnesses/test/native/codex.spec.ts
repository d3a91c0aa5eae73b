import { mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NativeCapture, NativeFileUnusable, rehydrate } from '../../src/index.js';
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

const codex = harnessOf('codex');
const nativeId = SAMPLE_IDS['codex']!;
const childId = '019bc0ab-2978-7d4f-9a32-6c7e8f9a0b12';
const mainName = `rollouts/${nativeId}.jsonl`;
const conversation = { native_id: nativeId, started_at: STARTED_AT };

describe('conversations of Codex', () => {
  let place: Machine;
  let root: string;
  beforeEach(async () => {
    place = await machine();
    root = path.join(place.home, '.codex');
  });
  afterEach(() => place.remove());

  /** A rollout of one line of which only what is given is known. */
  const writeRollout = async (file: string, payload: Record<string, unknown>) => {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), `${JSON.stringify({ type: 'session_meta', payload })}\n`);
    return path.join(root, file);
  };
  /** As SQLite lays a row out: text beside text, with other things around. */
  const writeDatabase = async (rows: string[], file = 'state_5.sqlite') => {
    await mkdir(root, { recursive: true });
    const pages = rows.map((row) => Buffer.from(`\u0000\u0010${nativeId}${row}\u0001cli-title`));
    await writeFile(path.join(root, file), Buffer.concat([Buffer.alloc(1_048_500, 'x'), ...pages, Buffer.alloc(4096)]));
  };
  const store = async () => {
    const kept = new Store();
    await kept.save(new NativeCapture(codex, place, nativeId, []), await codex.origin(place));
    return kept;
  };

  it('are the rollout of the id and all of its children, in whatever folder they are', async () => {
    const files = await installSample(codex, place);
    const main = files.find(({ name }) => name === mainName)!;
    expect(main.path).toBe(path.join(root, `sessions/2026/01/15/rollout-2026-01-15T08-00-00-${nativeId}.jsonl`));
    await mkdir(path.join(root, 'sessions/2040/05/01'), { recursive: true });
    const wrongFolder = path.join(root, `sessions/2040/05/01/rollout-2040-05-01T00-00-00-${nativeId}.jsonl`);
    await rename(main.path, wrongFolder);
    expect(await codex.locate(place, nativeId)).toEqual([
      { name: mainName, mode: 'lines', path: wrongFolder },
      { name: `rollouts/${childId}.jsonl`, mode: 'lines', path: expect.stringContaining(childId) },
    ]);
    expect(await codex.targetPath(place, conversation, mainName)).toBe(wrongFolder);
  });

  it('children are known by session_id, or by their parent where an older version has none; others are not taken', async () => {
    await installSample(codex, place);
    const grandchild = '019bc0b4-4bc0-7000-8000-000000000001';
    const olderChild = '019bc0b4-4bc0-7000-8000-000000000002';
    const other = '019bc0b4-4bc0-7000-8000-000000000003';
    const file = (id: string) => `sessions/rollout-2026-01-15T08-10-00-${id}.jsonl`;
    await writeRollout(file(grandchild), { id: grandchild, session_id: nativeId });
    const source = { subagent: { thread_spawn: { parent_thread_id: nativeId } } };
    await writeRollout(file(olderChild), { source, id: olderChild });
    await writeRollout(file(other), { id: other, session_id: other });
    const found = await codex.locate(place, nativeId);
    expect(found.map(({ name }) => name)).toEqual(
      [nativeId, childId, grandchild, olderChild].map((id) => `rollouts/${id}.jsonl`),
    );
  });

  it('a child of a machine whose clock is behind, or was set back, is found', async () => {
    await installSample(codex, place);
    const child = '019bc074-4bc0-7000-8000-000000000001';
    expect(child < nativeId).toBe(true);
    await writeRollout(`sessions/rollout-2026-01-15T07-00-00-${child}.jsonl`, { id: child, session_id: nativeId });
    expect((await codex.locate(place, nativeId)).map(({ name }) => name)).toContain(`rollouts/${child}.jsonl`);
  });

  it('a child whose first line is long, as with all instructions in it, is found', async () => {
    await installSample(codex, place);
    const child = '019bc0b4-4bc0-7000-8000-000000000001';
    const base_instructions = 'x'.repeat(500_000);
    const file = `sessions/rollout-2026-01-15T08-10-00-${child}.jsonl`;
    await writeRollout(file, { base_instructions, session_id: nativeId });
    expect(await codex.locate(place, nativeId)).toHaveLength(3);
  });

  it('a child whose first line is being written is found when it is whole', async () => {
    await installSample(codex, place);
    const child = '019bc0b4-4bc0-7000-8000-000000000001';
    const file = await writeRollout(`sessions/rollout-2026-01-15T08-10-00-${child}.jsonl`, { session_id: nativeId });
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, 20));
    const memory = new Map<string, string | null>();
    expect(await codex.locate(place, nativeId, memory)).toHaveLength(2);
    await writeFile(file, whole);
    expect(await codex.locate(place, nativeId, memory)).toHaveLength(3);
  });

  it('without a time of beginning now is used, and the file is found again by its id', async () => {
    const before = Date.now();
    const v4 = '5f0c2f4e-3d0b-4c86-9d1e-0a4b7c9e2a11';
    const target = await codex.targetPath(place, { native_id: v4, started_at: null }, `rollouts/${v4}.jsonl`);
    const parts = /sessions\/(\d+)\/(\d+)\/(\d+)\/rollout-(\S+)T(\d+)-(\d+)-(\d+)-5f0c2f4e/.exec(target)!;
    expect(parts[4]).toBe(`${parts[1]}-${parts[2]}-${parts[3]}`);
    const told = Date.parse(`${parts[4]}T${parts[5]}:${parts[6]}:${parts[7]}Z`);
    expect(told).toBeGreaterThanOrEqual(before - 1000);
    expect(told).toBeLessThanOrEqual(Date.now());
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, '{}\n');
    expect(await codex.locate(place, v4)).toMatchObject([{ path: target }]);
  });

  it('a time that is no time is as none: an id of version 7 tells its own', async () => {
    const target = await codex.targetPath(place, { native_id: nativeId, started_at: 'yesterday' }, mainName);
    expect(target).toContain('sessions/2026/01/15/rollout-2026-01-15T08-00-00-');
  });

  describe('N9: where the database of the home knows the thread, its path is the only one that Codex reads', () => {
    const known = () => path.join(root, `sessions/2031/02/03/rollout-2031-02-03T04-05-06-${nativeId}.jsonl`);

    it.each(['state_5.sqlite', 'state_5.sqlite-wal', 'state_12.sqlite'])(
      'a file is written there though there is none, and another elsewhere (%s)',
      async (database) => {
        await installSample(codex, place);
        await writeDatabase([known()], database);
        expect(await codex.targetPath(place, conversation, mainName)).toBe(known());
        await rehydrate(codex, place, conversation, (await store()).files());
        expect(await codex.locate(place, nativeId)).toMatchObject([{ path: known() }, {}]);
      },
    );

    it('of two files the one that it names is captured', async () => {
      const [main] = await installSample(codex, place);
      await mkdir(path.dirname(known()), { recursive: true });
      await writeFile(known(), await readFile(main!.path));
      await writeDatabase([main!.path]);
      expect((await codex.locate(place, nativeId))[0]!.path).toBe(main!.path);
      await writeDatabase([known()]);
      expect((await codex.locate(place, nativeId))[0]!.path).toBe(known());
    });

    it('a path that it had earlier counts only while a file is there', async () => {
      const [main] = await installSample(codex, place);
      await writeDatabase([known(), path.join(root, `sessions/2030/01/01/rollout-x-${nativeId}.jsonl`), main!.path]);
      expect(await codex.targetPath(place, conversation, mainName)).toBe(main!.path);
    });

    it.each([
      ['of another home', (file: string) => file.replace('/.codex/', '/.other/')],
      ['out of it', (file: string) => file.replace('/sessions/', '/sessions/../../../')],
      ['of a file that is no rollout', (file: string) => file.replace('rollout-', 'foo-')],
    ])('a path %s is not taken', async (_, change) => {
      await writeDatabase([change(known())]);
      expect(await codex.targetPath(place, conversation, mainName)).toContain('sessions/2026/01/15/');
    });
  });

  describe('what cannot be used as it is, is said by type', () => {
    it('an archived conversation can be read, and is not written over', async () => {
      const [main] = await installSample(codex, place);
      const archived = path.join(root, 'archived_sessions', path.basename(main!.path));
      await mkdir(path.dirname(archived));
      await rename(main!.path, archived);
      expect((await codex.locate(place, nativeId))[0]!.path).toBe(archived);
      const attempt = rehydrate(codex, place, conversation, (await store()).files());
      await expect(attempt).rejects.toThrow(NativeFileUnusable);
      await expect(codex.targetPath(place, conversation, mainName)).rejects.toThrow(`codex unarchive ${nativeId}`);
    });

    it('a compressed one is told with what unpacks it, unless it lies beside its plain form', async () => {
      const [main] = await installSample(codex, place);
      await writeFile(`${main!.path}.zst`, 'compressed');
      expect(await codex.locate(place, nativeId)).toHaveLength(2);
      await rm(main!.path);
      await expect(codex.locate(place, nativeId)).rejects.toThrow(`codex resume ${nativeId}`);
      await expect(codex.targetPath(place, conversation, mainName)).rejects.toThrow(NativeFileUnusable);
    });
  });

  describe('the working directory of a rollout', () => {
    const from = { home: '/h', root: '/h/.codex', cwd: '/old/code' };
    const to = { home: '/g', root: '/g/.codex', cwd: '/new "work"' };
    const meta = (cwd: unknown, more = '') =>
      `{"payload":{"x":{"cwd":"${'/old/code'}"},"cwd":${JSON.stringify(cwd)}${more}},"type":"session_meta"}`;
    const moved = (line: string) => codex.relocate(nativeId, mainName, from, to, null)(Buffer.from(line)).toString();

    it.each([
      ['the old one becomes the new one', '/old/code', to.cwd],
      ['a folder below it stays below', '/old/code/packages/kitchen', `${to.cwd}/packages/kitchen`],
      ['a folder beside it, which may not exist there, becomes the new one', '/old/worktree', to.cwd],
      ['as does any other', '/', to.cwd],
    ])('%s', (_, cwd, expected) => {
      expect(moved(meta(cwd, ',"n":1.0,"big":12345678901234567890'))).toBe(
        meta(expected, ',"n":1.0,"big":12345678901234567890'),
      );
    });

    it.each([
      ['a line of another type', `{"type":"response_item","payload":{"cwd":"/old/code","text":"session_meta"}}`],
      ['text that quotes such a line', `{"type":"x","payload":${JSON.stringify(meta('/old/code'))}}`],
      ['a line that is no JSON', `{"type":"session_meta","payload":{"cwd":"/old/code`],
      ['one without a cwd', `{"type":"session_meta","payload":{"id":"x"}}`],
      ['one whose cwd is no text', meta(7)],
    ])('%s stays', (_, line) => expect(moved(line)).toBe(line));
  });

  it('a rehydrated rollout names the new working directory in its first line only', async () => {
    await installSample(codex, place);
    const there = await machine({ cwd: 'next' });
    try {
      const written = await rehydrate(codex, there, conversation, (await store()).files());
      const [first, second] = (await read(written.find(({ name }) => name === mainName)!.path)).split('\n');
      expect(JSON.parse(first!)).toMatchObject({ payload: { cwd: there.cwd } });
      expect(second).toContain(`<cwd>${place.cwd}</cwd>`);
      const child = await read(written.find(({ name }) => name !== mainName)!.path);
      expect(JSON.parse(child.split('\n')[0]!)).toMatchObject({ payload: { cwd: `${there.cwd}/packages/kitchen` } });
    } finally {
      await there.remove();
    }
  });

  it('those that began in a working directory since a moment are found without their ids', async () => {
    const since = new Date('2026-01-15T08:00:00.000Z');
    const meta = { timestamp: '2026-01-15T08:00:05Z', cwd: place.cwd };
    const file = (n: number): [string, string] => {
      const id = `019bc0ab-4000-7c3e-8f21-5b6d7e8f9a0${n}`;
      return [`sessions/rollout-2026-01-15T08-00-0${n}-${id}.jsonl`, id];
    };
    const [own, ownId] = file(1);
    await writeRollout(own, { ...meta, id: ownId, session_id: ownId });
    await writeRollout(file(2)[0], { ...meta, id: file(2)[1], session_id: ownId });
    await writeRollout(file(3)[0], { ...meta, id: file(3)[1], session_id: file(3)[1], cwd: '/elsewhere' });
    await writeRollout(file(4)[0], { ...meta, id: file(4)[1], timestamp: '2026-01-15T07:59:59Z' });
    expect(await codex.startedSince!(place, since)).toEqual([ownId]);
  });

  it('those of a working directory can be listed, the one that was written last first', async () => {
    const id = (n: number) => `019bc0ab-4000-7c3e-8f21-5b6d7e8f9a0${n}`;
    const write = async (n: number, payload: object) => {
      const meta = { id: id(n), session_id: id(n), cwd: place.cwd, ...payload };
      const file = await writeRollout(`sessions/rollout-2026-01-15T08-00-0${n}-${id(n)}.jsonl`, meta);
      await utimes(file, n, n);
    };
    await write(1, {});
    await write(2, { session_id: id(1) });
    await write(3, { cwd: '/elsewhere' });
    await write(4, {});
    expect(await codex.recent!(place, 10)).toEqual([
      { native_id: id(4), modified_at: new Date(4000) },
      { native_id: id(1), modified_at: new Date(1000) },
    ]);
    expect(await codex.recent!(place, 1)).toHaveLength(1);
  });

  it('tell when they began and which version wrote them', async () => {
    await installSample(codex, place);
    const [main] = await codex.locate(place, nativeId);
    expect(await codex.describe(main!.path)).toEqual({ started_at: STARTED_AT, harness_version: '0.169.0' });
  });
});

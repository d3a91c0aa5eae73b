import { appendFile, mkdir, rename, rm, symlink, truncate, utimes, writeFile, readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  NativeCapture,
  NativeFileChanged,
  TranscriptTooLarge,
  UnsafeNativePath,
  type NativeOrigin,
} from '../../src/index.js';
import { harnessOf, installSample, machine, SAMPLE_IDS, Store, type Machine, type SampleFile } from './native-world.js';

const claude = harnessOf('claude');
const nativeId = SAMPLE_IDS['claude']!;
const line = (n: number) => `{"n":${n}}\n`;
const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i)).join('');

describe('capturing', () => {
  let place: Machine;
  let origin: NativeOrigin;
  let main: string;
  let store: Store;
  let capture: NativeCapture;

  beforeEach(async () => {
    place = await machine();
    origin = await claude.origin(place);
    const files = await installSample(claude, place);
    main = files.find(({ name }) => name === 'main.jsonl')!.path;
    for (const file of files) await rm(file.path);
    store = new Store();
    capture = anew();
  });
  afterEach(() => place.remove());

  /** As another process would: with nothing but what is stored. */
  const anew = () => new NativeCapture(claude, place, nativeId, structuredClone(store.marks));
  const save = () => store.save(capture, origin);

  describe('N1: only whole lines are taken', () => {
    it('a line that is being written is taken when it is whole', async () => {
      await writeFile(main, `${line(1)}{"n":`);
      expect(await save()).toMatchObject([{ kind: 'append', name: 'main.jsonl', from_line: 1 }]);
      expect(store.content('main.jsonl')).toBe(line(1));
      expect(await save()).toEqual([]);
      await appendFile(main, '2}\n{"n":3');
      expect(await save()).toMatchObject([{ kind: 'append', from_line: 2 }]);
      expect(store.content('main.jsonl')).toBe(lines(1, 2));
    });

    it('a last object without a line end is taken, and its line end is no line of its own when it comes', async () => {
      await writeFile(main, `${line(1)}{"n":2}`);
      await save();
      expect(store.content('main.jsonl')).toBe(lines(1, 2));
      await appendFile(main, `\n${line(3)}`);
      expect(await save()).toMatchObject([{ kind: 'append', from_line: 3 }]);
      expect(store.content('main.jsonl')).toBe(lines(1, 3));
    });

    it('the same for a line end of two bytes that comes in two parts', async () => {
      await writeFile(main, '{"n":1}');
      await save();
      await appendFile(main, '\r');
      expect(await save()).toEqual([]);
      await appendFile(main, `\n${line(2)}`);
      await save();
      expect(store.content('main.jsonl')).toBe(lines(1, 2));
    });

    it('a last object without a line end that goes on as another line is a changed past', async () => {
      await writeFile(main, `${line(1)}{"n":2}`);
      await save();
      await appendFile(main, '{"n":3}\n');
      expect(await save()).toMatchObject([{ kind: 'diverged', keep_lines: 0 }]);
      expect(store.content('main.jsonl')).toBe(`${line(1)}{"n":2}{"n":3}\n`);
    });

    it.each(['12', '[1]x', '"text', '{"n":1}}', 'tru'])('%j at the end is not taken for a line', async (rest) => {
      await writeFile(main, line(1) + rest);
      await save();
      expect(store.content('main.jsonl')).toBe(line(1));
    });

    it('a file of nothing but a beginning is no news', async () => {
      await writeFile(main, '{"n"');
      expect(await capture.changes()).toEqual([]);
    });
  });

  describe('N2: what was not accepted is told again', () => {
    it('after a save that failed, with what has come since', async () => {
      await writeFile(main, line(1));
      const [lost] = await capture.changes();
      if (lost?.kind !== 'append') throw new Error('nothing new');
      for await (const _ of lost.chunks);
      await appendFile(main, line(2));
      expect(await save()).toMatchObject([{ kind: 'append', from_line: 1 }]);
      expect(store.content('main.jsonl')).toBe(lines(1, 2));
    });

    it('what was read but is not what was stored is held against what was stored', async () => {
      await writeFile(main, lines(1, 2));
      await save();
      const stored = structuredClone(store.marks);
      await appendFile(main, line(3));
      const [change] = await capture.changes();
      if (change?.kind !== 'append') throw new Error('nothing new');
      for await (const _ of change.chunks);
      capture.accepted(stored);
      expect(await capture.changes()).toMatchObject([{ kind: 'append', from_line: 3 }]);
      // Somebody else has saved another past meanwhile.
      const other = stored.map((mark) => ({
        ...mark,
        digest: 'other',
        chunks: mark.chunks.map((chunk) => ({ ...chunk, digest: 'other' })),
      }));
      capture.accepted(other);
      expect(await capture.changes()).toMatchObject([{ kind: 'diverged', keep_lines: 0 }]);
    });

    it('the chunks of one look can be read twice, and are the same also when the file has grown', async () => {
      await writeFile(main, lines(1, 2));
      const [change] = await capture.changes();
      if (change?.kind !== 'append') throw new Error('nothing new');
      const digests: string[] = [];
      for await (const { digest } of change.chunks) digests.push(digest);
      await appendFile(main, line(3));
      for await (const { digest } of change.chunks) digests.push(digest);
      expect(digests).toHaveLength(2);
      expect(digests[0]).toBe(digests[1]);
    });
  });

  describe('N3: a changed past is a divergence and never merged, a shorter one is behind', () => {
    beforeEach(async () => {
      await writeFile(main, lines(1, 3));
      await save();
      await appendFile(main, lines(4, 6));
      await save();
      await appendFile(main, lines(7, 9));
      await save();
    });

    it.each([
      ['in the first chunk', () => lines(1, 9).replace('{"n":2}', '{"n":"two"}'), 0],
      ['in the second', () => lines(1, 9).replace('{"n":5}', '{"n":"five"}'), 3],
      ['in the last', () => lines(1, 9).replace('{"n":9}', '{"n":"nine"}'), 6],
      ['and it has grown', () => lines(1, 6) + lines(107, 140), 6],
      ['by a line that is missing in between', () => lines(1, 4) + lines(6, 9), 3],
      ['and it ends within a chunk', () => lines(1, 5), 3],
    ])('a line changed %s: kept up to the end of the chunk before it', async (_, content, keep_lines) => {
      await writeFile(main, content());
      for (const watching of [anew(), capture]) {
        expect(await watching.changes()).toMatchObject([{ kind: 'diverged', name: 'main.jsonl', keep_lines }]);
      }
      await save();
      expect(store.content('main.jsonl')).toBe(content());
      expect(await save()).toEqual([]);
      expect(await anew().changes()).toEqual([]);
    });

    it('a divergence stays one while the file grows and nobody has saved it', async () => {
      await writeFile(main, lines(1, 6) + line(107));
      expect(await capture.changes()).toMatchObject([{ kind: 'diverged', keep_lines: 6 }]);
      await appendFile(main, line(108));
      expect(await capture.changes()).toMatchObject([{ kind: 'diverged', keep_lines: 6 }]);
    });

    it.each([0, 3, 6])('a file that ends with the chunk of line %d is behind', async (count) => {
      await writeFile(main, count ? lines(1, count) : '');
      for (const watching of [anew(), capture]) {
        expect(await watching.changes()).toEqual([{ kind: 'behind', name: 'main.jsonl', mode: 'lines', lines: count }]);
      }
    });

    it('one that ends there and has the beginning of a line is behind too', async () => {
      await writeFile(main, `${lines(1, 6)}{"n":`);
      expect(await capture.changes()).toEqual([{ kind: 'behind', name: 'main.jsonl', mode: 'lines', lines: 6 }]);
    });

    it('one that is gone is behind with no lines, and comes back without a change', async () => {
      await rename(main, `${main}.aside`);
      expect(await capture.changes()).toEqual([{ kind: 'behind', name: 'main.jsonl', mode: 'lines', lines: 0 }]);
      await rename(`${main}.aside`, main);
      expect(await capture.changes()).toEqual([]);
    });

    it('one that was replaced by a copy of itself has no news, and one that has grown only the rest', async () => {
      await writeFile(`${main}.new`, await readFile(main));
      await rename(`${main}.new`, main);
      expect(await capture.changes()).toEqual([]);
      await writeFile(`${main}.new`, lines(1, 10));
      await rename(`${main}.new`, main);
      expect(await save()).toMatchObject([{ kind: 'append', from_line: 10, bytes: line(10).length }]);
    });

    it('one that was written anew in place with the same length is noticed', async () => {
      await writeFile(main, lines(1, 9).replace('{"n":5}', '{"n":x}'));
      await utimes(main, new Date(), new Date(Date.now() + 5000));
      expect(await capture.changes()).toMatchObject([{ kind: 'diverged', keep_lines: 3 }]);
    });

    it('one that was cut and has grown past its old length is noticed', async () => {
      await truncate(main, line(1).length);
      await appendFile(main, lines(100, 140));
      expect(await capture.changes()).toMatchObject([{ kind: 'diverged', keep_lines: 0 }]);
    });

    it('a file that is replaced between the look and the reading is refused', async () => {
      await appendFile(main, line(10));
      const [change] = await capture.changes();
      await writeFile(`${main}.new`, lines(1, 10));
      await rename(`${main}.new`, main);
      if (change?.kind !== 'append') throw new Error('nothing new');
      await expect(change.chunks[Symbol.asyncIterator]().next()).rejects.toThrow(NativeFileChanged);
      expect(await save()).toMatchObject([{ kind: 'append', from_line: 10 }]);
    });
  });

  describe('N5: bytes are kept as they are', () => {
    it.each([
      ['CRLF', '{"n":1}\r\n{"n":2}\r\n'],
      ['blank lines', '\n{"n":1}\n\n\n{"n":2}\n'],
      ['lines that are no JSON, and bytes that are no UTF-8', '{"n":1\nnot json\n{"n":"\\ud83c"}\n'],
      ['a byte order mark', '\ufeff{"n":1}\n'],
    ])('%s', async (_, content) => {
      await writeFile(main, content);
      await save();
      expect(store.content('main.jsonl')).toBe(content);
      expect(await anew().changes()).toEqual([]);
    });

    it('a file whose line ends were changed on the way is still the same conversation', async () => {
      await writeFile(main, lines(1, 3));
      await save();
      await writeFile(main, lines(1, 4).replaceAll('\n', '\r\n'));
      expect(await anew().changes()).toMatchObject([{ kind: 'append', from_line: 4 }]);
    });
  });

  describe('files that are replaced as a whole', () => {
    let meta: string;
    beforeEach(async () => {
      const files: SampleFile[] = await installSample(claude, place);
      meta = files.find(({ name }) => name.endsWith('.meta.json'))!.path;
      await save();
    });

    it('are told when their bytes differ, and only then', async () => {
      const content = await readFile(meta);
      await writeFile(meta, content);
      expect(await save()).toEqual([]);
      await writeFile(meta, '{"agentType":"other"}');
      expect(await save()).toMatchObject([
        { kind: 'replace', name: 'subagents/agent-a1b2c3.meta.json', mode: 'whole' },
      ]);
      expect(store.content('subagents/agent-a1b2c3.meta.json')).toBe('{"agentType":"other"}');
      expect(await anew().changes()).toEqual([]);
    });

    it('are behind when they are gone or empty', async () => {
      const behind = [{ kind: 'behind', name: 'subagents/agent-a1b2c3.meta.json', mode: 'whole', lines: 0 }];
      await writeFile(meta, '');
      expect(await capture.changes()).toEqual(behind);
      await rm(meta);
      expect(await capture.changes()).toEqual(behind);
    });

    it('come in pieces where they are large', async () => {
      const content = 'x'.repeat(9 * 1024 * 1024);
      await writeFile(path.join(path.dirname(meta), 'large.txt'), content);
      await save();
      const mark = store.marks.find(({ name }) => name === 'subagents/large.txt')!;
      expect(mark.chunks.map(({ from_line, lines: count, bytes }) => [from_line, count, bytes])).toEqual([
        [1, 1, 4 * 1024 * 1024],
        [2, 1, 4 * 1024 * 1024],
        [3, 1, 1024 * 1024],
      ]);
      expect(store.content('subagents/large.txt') === content).toBe(true);
      expect(await anew().changes()).toEqual([]);
    });

    it('are refused when they change between the look and the reading', async () => {
      await writeFile(meta, '{"agentType":"other"}');
      const [change] = await capture.changes();
      await writeFile(meta, '{"agentType":"a third"}');
      if (change?.kind !== 'replace') throw new Error('nothing new');
      await expect(change.chunks[Symbol.asyncIterator]().next()).rejects.toThrow(NativeFileChanged);
    });
  });

  it('N8: a symbolic link in the place of a file is not followed', async () => {
    const secret = path.join(place.folder, 'secret.jsonl');
    await writeFile(secret, '{"secret":true}\n');
    await symlink(secret, main);
    expect(await capture.changes()).toEqual([]);
  });

  it('N8: a folder that is a symbolic link out of the harness is refused: an agent could have files taken by it', async () => {
    await writeFile(main, line(1));
    await mkdir(path.join(place.folder, 'secrets'));
    await writeFile(path.join(place.folder, 'secrets/key'), 'secret');
    await rm(path.join(path.dirname(main), nativeId), { recursive: true });
    await symlink(path.join(place.folder, 'secrets'), path.join(path.dirname(main), nativeId));
    await expect(capture.changes()).rejects.toThrow(UnsafeNativePath);
  });

  it('a line of more than 16 MiB is refused by type', async () => {
    await writeFile(main, `${line(1)}{"n":"${'x'.repeat(16 * 1024 * 1024)}"}\n`);
    await expect(save()).rejects.toThrow(TranscriptTooLarge);
  });

  it('a line of more than 4 MiB is a chunk of its own', async () => {
    const long = `{"n":"${'x'.repeat(5 * 1024 * 1024)}"}\n`;
    await writeFile(main, line(1) + long + line(3));
    await save();
    expect(store.marks[0]!.chunks.map(({ from_line, lines: count, bytes }) => [from_line, count, bytes])).toEqual([
      [1, 1, line(1).length],
      [2, 1, long.length],
      [3, 1, line(3).length],
    ]);
  });
});

import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { NATIVE_HARNESSES, NativeCapture, rehydrate, type NativeHarness, type NativePlace } from '../../src/index.js';
import { CHUNK_BYTES } from '../../src/native/native-mark.js';
import { installSample, machine, read, SAMPLE_IDS, STARTED_AT, Store, type Machine } from './native-world.js';

const withSamples = NATIVE_HARNESSES.filter(({ name }) => SAMPLE_IDS[name]).map((harness): [string, NativeHarness] => [
  harness.name,
  harness,
]);

// Many files and processes: a loaded machine takes its time.
jest.setTimeout(180_000);

describe.each(withSamples)('a conversation of %s', (_, harness) => {
  const nativeId = SAMPLE_IDS[harness.name]!;
  const conversation = { native_id: nativeId, started_at: STARTED_AT };
  let machines: Machine[];
  beforeEach(async () => {
    machines = [await machine(), await machine({ home: 'né home', cwd: 'other/my work_2' })];
  });
  afterEach(async () => {
    for (const made of machines) await made.remove();
  });
  const captureOf = (place: NativePlace, store?: Store) => {
    return new NativeCapture(harness, place, nativeId, structuredClone(store?.marks ?? []));
  };

  it('N6: is the same at another home and working directory, and back again, to its last byte', async () => {
    const [here, there] = machines as [Machine, Machine];
    const before = await installSample(harness, here);
    const store = new Store();
    await store.save(captureOf(here), await harness.origin(here));
    expect(store.marks.map(({ name }) => name).sort()).toEqual(before.map(({ name }) => name).sort());
    for (const { name, content } of before) expect(store.content(name)).toBe(content.toString());

    await rehydrate(harness, there, conversation, store.files());
    expect(await captureOf(there, store).changes()).toEqual([]);

    const copy = new Store();
    await copy.save(captureOf(there), await harness.origin(there));
    expect(copy.marks.map(({ name, digest }) => [name, digest]).sort()).toEqual(
      store.marks.map(({ name, digest }) => [name, digest]).sort(),
    );
    await rehydrate(harness, here, conversation, copy.files());
    for (const { path: file, content } of before) expect(await read(file)).toBe(content.toString());
  });

  it('N6: names no path of the machine that it came from where its program would follow it', async () => {
    const [here, there] = machines as [Machine, Machine];
    await installSample(harness, here);
    const store = new Store();
    await store.save(captureOf(here), await harness.origin(here));
    const written = await rehydrate(harness, there, conversation, store.files());
    const installed = await installSample(harness, { ...there, cwd: there.cwd });
    for (const { name, path: file } of written) {
      // What the program itself would have written there has its own paths only; the sample stands for it.
      expect(installed.find((sample) => sample.name === name)!.path).toBe(file);
      const text = await read(file);
      const root = (await harness.origin(here)).root;
      if (name.endsWith('.jsonl')) expect(text).not.toContain(root);
    }
  });

  it('rehydrating twice gives the same files', async () => {
    const [here, there] = machines as [Machine, Machine];
    await installSample(harness, here);
    const store = new Store();
    await store.save(captureOf(here), await harness.origin(here));
    const first = await rehydrate(harness, there, conversation, store.files());
    const texts = await Promise.all(first.map(({ path: file }) => read(file)));
    const second = await rehydrate(harness, there, conversation, store.files());
    expect(second).toEqual(first);
    expect(await Promise.all(second.map(({ path: file }) => read(file)))).toEqual(texts);
  });
});

describe.each(withSamples)('any lines of %s', (_, harness) => {
  const nativeId = SAMPLE_IDS[harness.name]!;
  let places: Machine[];
  beforeEach(async () => {
    places = [await machine(), await machine({ cwd: 'other/my work_2' })];
  });
  afterEach(async () => {
    for (const place of places) await place.remove();
  });

  /** Lines as programs of today and of tomorrow write them: any keys in any order, any values, and what is no JSON. */
  const anyLine = (paths: string[]): fc.Arbitrary<string> => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...paths));
    const value = fc.oneof(text, fc.jsonValue(), fc.record({ cwd: text, note: text }));
    const fields = fc.record(
      {
        type: fc.constantFrom('user', 'assistant', 'session_meta', 'response_item', 'unheard_of'),
        payload: fc.record({ cwd: text, id: fc.uuid(), novel: value }, { requiredKeys: [] }),
        message: fc.record({ role: text, content: value }),
        sessionId: fc.constant(nativeId),
        anything: value,
      },
      { requiredKeys: [] },
    );
    const reordered = fields.chain((made) =>
      fc.shuffledSubarray(Object.entries(made), { minLength: Object.keys(made).length }).map(Object.fromEntries),
    );
    const object = fc.tuple(reordered, fc.constantFrom(0, 1, undefined)).map(([made, indent]) => {
      return JSON.stringify(made, null, indent).replaceAll('\n', ' ');
    });
    const broken = object.map((json) => json.slice(0, -1));
    return fc
      .oneof({ weight: 6, arbitrary: object }, { weight: 1, arbitrary: fc.constantFrom('', broken) })
      .chain((line) => (typeof line === 'string' ? fc.constant(line) : line));
  };
  const pathsOf = async (place: Machine) => {
    const { root, cwd } = await harness.origin(place);
    const folder = cwd.replace(/[^A-Za-z0-9]/g, '-');
    const own = `${root}/projects/${folder}/${nativeId}/tool-results/x y.txt`;
    const output = `${root}/tmp/some-work/tool-outputs/session-${nativeId}/x.txt`;
    return [
      cwd,
      root,
      own,
      output,
      `see ${own}, and ${own} ${output} ${output}`,
      `/elsewhere/.claude/projects/-a-b/${nativeId}/tool-results/z`,
    ];
  };
  const mainOf = async (place: Machine) => {
    const target = await harness.targetPath(
      place,
      { native_id: nativeId, started_at: STARTED_AT },
      harness.mainName(nativeId),
    );
    await mkdir(path.dirname(target), { recursive: true });
    return target;
  };

  it('N1, N5: cut anywhere while they are written, they are stored whole and once, and compare equal', async () => {
    const [place] = places as [Machine];
    const origin = await harness.origin(place);
    const main = await mainOf(place);
    const [header] = await installSample(harness, place);
    const head = header!.content.toString().split('\n')[0]!;
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyLine(await pathsOf(place)), { minLength: 1, maxLength: 12 }),
        fc.constantFrom('\n', '\r\n'),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
        async (lines, lineEnd, cuts) => {
          const content = Buffer.from([head, ...lines].map((line) => line + lineEnd).join(''));
          const ends = [...cuts.map((cut) => Math.floor(cut * content.length)), content.length].sort((a, b) => a - b);
          await writeFile(main, '');
          const store = new Store();
          const capture = new NativeCapture(harness, place, nativeId, []);
          for (let at = 0; ends.length;) {
            const end = ends.shift()!;
            await appendFile(main, content.subarray(at, end));
            at = end;
            for (const change of await store.save(capture, origin)) {
              if (change.name === harness.mainName(nativeId)) expect(change.kind).toBe('append');
            }
          }
          expect(store.content(harness.mainName(nativeId)).replaceAll('\r\n', '\n')).toBe(
            content.toString().replaceAll('\r\n', '\n'),
          );
          const again = new NativeCapture(harness, place, nativeId, store.marks);
          expect(await again.changes()).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('N6: relocated they have the same canonical form, and all that is not such a path is untouched', async () => {
    const [here, there] = places as [Machine, Machine];
    const [from, to] = [await harness.origin(here), await harness.origin(there)];
    const name = harness.mainName(nativeId);
    const relocate = harness.relocate(nativeId, name, from, to, null);
    const back = harness.relocate(nativeId, name, to, from, null);
    const canonicalHere = harness.canonical(nativeId, name, from);
    const canonicalThere = harness.canonical(nativeId, name, to);
    fc.assert(
      fc.property(anyLine(await pathsOf(here)), (text) => {
        const line = Buffer.from(text);
        const moved = relocate(line);
        expect(canonicalThere(moved).equals(canonicalHere(line))).toBe(true);
        expect(canonicalHere(back(moved)).equals(canonicalHere(line))).toBe(true);
        expect(relocate(line).equals(moved)).toBe(true);
        // The only bytes that differ are those that the canonical form has placeholders for.
        if (canonicalHere(line) === line) expect(moved).toBe(line);
      }),
      { numRuns: 300 },
    );
  });

  it('N12: 100 000 of them are stored in chunks of at most 4 MiB, and read one chunk after the other', async () => {
    const [place] = places as [Machine];
    const [sample] = await installSample(harness, place);
    const head = sample!.content.toString().split('\n')[0]!;
    const content = `${head}\n${Array.from({ length: 99_999 }, (_, n) => `{"type":"user","n":${n},"pad":"${'x'.repeat(60)}"}`).join('\n')}\n`;
    const main = await mainOf(place);
    await writeFile(main, content);
    const store = new Store();
    await store.save(new NativeCapture(harness, place, nativeId, []), await harness.origin(place));
    const mark = store.marks.find((found) => found.name === harness.mainName(nativeId))!;
    expect(mark.lines).toBe(100_000);
    expect(mark.bytes).toBe(Buffer.byteLength(content));
    expect(Math.max(...mark.chunks.map(({ bytes }) => bytes))).toBeLessThanOrEqual(CHUNK_BYTES);
    expect(mark.chunks.length).toBe(3);
    expect(await new NativeCapture(harness, place, nativeId, store.marks).changes()).toEqual([]);

    const [, there] = places as [Machine, Machine];
    const written = await rehydrate(harness, there, { native_id: nativeId, started_at: STARTED_AT }, store.files());
    const copy = await read(written.find((file) => file.name === mark.name)!.path);
    expect(copy.split('\n').length).toBe(100_001);
    expect(await new NativeCapture(harness, there, nativeId, store.marks).changes()).toEqual([]);
  });
});

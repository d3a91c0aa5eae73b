import { appendFile, mkdir, open, stat, truncate, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { NativeCapture, rehydrate, type NativeChange } from '../../src/index.js';
import { CHUNK_BYTES } from '../../src/native/native-mark.js';
import { harnessOf, machine, SAMPLE_IDS, Store, type Machine } from './native-world.js';

const MiB = 1024 * 1024;

/** Some 50 MB of lines of 2 KB. */
const transcript = Buffer.from(
  Array.from({ length: 25_000 }, (_, n) => `{"type":"user","n":${n},"text":"${'x'.repeat(2000)}"}\n`).join(''),
);
const turn = Array.from({ length: 10 }, (_, n) => `{"type":"user","turn":${n},"text":"${'y'.repeat(1000)}"}\n`).join(
  '',
);

// Many files and processes: a loaded machine takes its time.
jest.setTimeout(180_000);

describe.each(['claude', 'codex'])('N4, N12: a transcript of 50 MB of %s', (name) => {
  const harness = harnessOf(name);
  const nativeId = SAMPLE_IDS[name]!;
  let place: Machine;
  let main: string;
  let store: Store;
  let capture: NativeCapture;
  let bytesRead: number;
  let spy: jest.SpyInstance;

  beforeAll(async () => {
    place = await machine();
    main = await harness.targetPath(place, { native_id: nativeId, started_at: null }, harness.mainName(nativeId));
    await mkdir(path.dirname(main), { recursive: true });
    await writeFile(main, transcript);
    store = new Store();
    capture = new NativeCapture(harness, place, nativeId, []);
    await store.save(capture, await harness.origin(place));

    const handle = await open(main);
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    const original = prototype.read as (...args: unknown[]) => Promise<{ bytesRead: number }>;
    spy = jest.spyOn(prototype, 'read').mockImplementation(async function (this: FileHandle, ...args: unknown[]) {
      const result = await original.apply(this, args);
      bytesRead += result.bytesRead;
      return result as never;
    });
  });
  afterAll(async () => {
    spy.mockRestore();
    await place.remove();
  });
  beforeEach(async () => {
    bytesRead = 0;
  });
  afterEach(async () => {
    const { size } = await stat(main);
    if (size > transcript.length) await truncate(main, transcript.length);
  });

  const appended = (changes: NativeChange[]) => {
    const [change] = changes;
    if (change?.kind !== 'append') throw new Error('nothing new');
    return change;
  };

  it('a look at it when nothing is new reads next to nothing', async () => {
    expect(await capture.changes()).toEqual([]);
    expect(bytesRead).toBeLessThan(0.01 * MiB);
  });

  it('one more turn reads and gives that turn only, in less than 1 % of the whole', async () => {
    await appendFile(main, turn);
    let given = 0;
    for await (const { data } of appended(await capture.changes()).chunks) given += data.length;
    expect(given).toBe(turn.length);
    expect(bytesRead).toBeGreaterThanOrEqual(turn.length);
    expect(bytesRead).toBeLessThan(0.01 * transcript.length);
  });

  it('a new process reads it once, and gives the new turn only', async () => {
    await appendFile(main, turn);
    const change = appended(await new NativeCapture(harness, place, nativeId, store.marks).changes());
    expect(change.from_line).toBe(25_001);
    expect(bytesRead).toBeLessThan(transcript.length + MiB);
  });

  it('all of it is read no faster than it is taken', async () => {
    const chunks = appended(await new NativeCapture(harness, place, nativeId, []).changes()).chunks;
    bytesRead = 0;
    const reading = chunks[Symbol.asyncIterator]();
    expect((await reading.next()).value.data.length).toBeLessThanOrEqual(CHUNK_BYTES);
    expect(bytesRead).toBeLessThan(CHUNK_BYTES + 2 * MiB);
    await reading.return!();
  });

  it('it is written no later than it comes', async () => {
    const there = await machine();
    let given = 0;
    let held = 0;
    const [file] = store.files();
    async function* data() {
      for await (const part of file!.data) {
        given += part.length;
        held = Math.max(held, given - written);
        yield part;
      }
    }
    let written = 0;
    const handle = await open(main);
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    const original = prototype.writeFile as (...args: unknown[]) => Promise<void>;
    const writes = jest.spyOn(prototype, 'writeFile').mockImplementation(async function (this: FileHandle, ...args) {
      await original.apply(this, args);
      written += (args[0] as unknown as Buffer).length;
    });
    try {
      await rehydrate(harness, there, { native_id: nativeId, started_at: null }, [{ mark: file!.mark, data: data() }]);
      expect(written).toBe(transcript.length);
      expect(held).toBeLessThan(CHUNK_BYTES + MiB);
    } finally {
      writes.mockRestore();
      await there.remove();
    }
  });
});

import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { startLogs, unlimited, type Logs } from './maintenance-fixture.js';

// A compaction that is killed says so.
Logger.overrideLogger(false);

const MIB = 1024 * 1024;

interface Head {
  loose_segments: number;
  scattered: boolean;
}

describe('compaction', () => {
  let logs: Logs;
  let other: Logs;
  beforeAll(async () => {
    logs = await startLogs();
    other = await startLogs({ url: logs.url });
  });
  afterAll(async () => {
    await other.stop();
    await logs.stop();
  });

  beforeEach(() => logs.clear());

  const compact = (process = logs) => process.compactor.run(unlimited);
  const flags = async (key: Parameters<Logs['row']>[0]) => {
    const { loose_segments, scattered } = await logs.row<Head>(key);
    return { loose_segments, scattered };
  };

  it('M1: changes no byte and no offset, whatever was appended', async () => {
    const small = fc.integer({ min: 1, max: 300 });
    const message = fc.oneof(
      { weight: 30, arbitrary: small },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 600_000 }) },
    );
    const round = fc.array(fc.array(message, { minLength: 1, maxLength: 4 }), { minLength: 40, maxLength: 100 });
    const rounds = fc.array(round, { minLength: 1, maxLength: 4 });
    const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.boolean(), rounds, places, async (json, rounds, places) => {
        const key = await logs.make({ content_type: json ? 'application/json' : 'application/octet-stream' });
        const written: Buffer[] = [];
        for (const round of rounds) {
          const segments = round.map((lengths) =>
            json
              ? lengths.map((length, index) => jsonOf(written.length + index, length))
              : [bytesOf(written.length, lengths[0]!)],
          );
          written.push(...segments.flat());
          await logs.store(key, segments);
          await compact();
          await expectContent(key, json, written, places);
        }
        expect(await flags(key)).toMatchObject({ scattered: false });
      }),
      { numRuns: 12 },
    );
  }, 120_000);

  async function expectContent(
    key: { project_id: string; path: string },
    json: boolean,
    written: Buffer[],
    places: number[],
  ) {
    const all = json ? Buffer.alloc(0) : Buffer.concat(written);
    const tail = json ? written.length : all.length;
    for (const place of [0, ...places]) {
      const from = Math.floor(place * tail);
      const expected = json ? Buffer.from(`[${written.slice(from).join(',')}]`) : all.subarray(from);
      // Comparing buffers with a matcher would print megabytes.
      expect((await logs.read(key, from)).equals(expected)).toBe(true);
    }
  }

  it('M1: and neither readers nor appends wait while it is at work', async () => {
    const key = await logs.make();
    await logs.scatter(key, 80, { bytes: 20_000 });
    const before = await logs.read(key);
    // In the second run: the first one is merged and not committed.
    const hold = await logs.holdSegment(key, 60);
    const round = compact();
    await hold.blocked();

    expect((await logs.read(key)).equals(before)).toBe(true);
    expect(await logs.append(key, '{"n":80}')).toMatchObject({ kind: 'appended', head: { tail: 81 } });

    await hold.release();
    expect(await round).toMatchObject({ merged: 64, written: 2 });
    expect((await logs.messages(key)).map(({ n }) => n)).toEqual(upTo(81));
  });

  it('M2: a log of 100 000 events is read from tens of rows', async () => {
    const key = await logs.make();
    await logs.scatter(key, 100_000);
    const before = await logs.read(key);

    const { merged, written } = await compact();

    const segments = await logs.segments(key);
    expect(segments.length).toBe(100_000 - merged + written);
    expect(segments.length).toBeLessThanOrEqual(60);
    expect(Math.max(...segments.map(({ bytes }) => bytes))).toBeLessThanOrEqual(MIB);
    expect(segments.map(({ start }) => start)).toEqual([0, ...segments.map(({ upto }) => upto).slice(0, -1)]);
    expect((await logs.read(key)).equals(before)).toBe(true);
    expect(await compact()).toMatchObject({ logs: 0 });
  });

  it('M3: loses, doubles and reorders nothing that two processes append meanwhile, and shows it to readers without a gap', async () => {
    const key = await logs.make();
    const EACH = 150;
    let isWriting = true;
    const write = async (process: Logs, writer: number) => {
      for (let n = 0; n < EACH; n++) {
        expect(await process.append(key, JSON.stringify({ writer, n }))).toMatchObject({ kind: 'appended' });
      }
    };
    const compactAllTheTime = async (process: Logs) => {
      while (isWriting) await compact(process);
    };
    const readAllTheTime = async () => {
      let seen: unknown[] = [];
      while (isWriting) {
        const now = await logs.messages(key, 0);
        expect(now.slice(0, seen.length)).toEqual(seen);
        seen = now;
      }
    };
    const writers = Promise.all([write(logs, 0), write(other, 1), write(logs, 2), write(other, 3)]).finally(
      () => (isWriting = false),
    );
    await Promise.all([writers, compactAllTheTime(logs), compactAllTheTime(other), readAllTheTime()]);

    const messages = (await logs.messages(key)) as { writer: number; n: number }[];
    for (const writer of [0, 1, 2, 3]) {
      expect(messages.filter((message) => message.writer === writer).map(({ n }) => n)).toEqual([
        ...Array(EACH).keys(),
      ]);
    }
    expect(messages.length).toBe(4 * EACH);
  });

  it('M4: two compactors share the work, and do none of it twice', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => logs.make()));
    for (const key of keys) await logs.scatter(key, 200, { bytes: 2_000 });

    const done = await Promise.all([compact(logs), compact(other)]);

    expect(done[0].merged + done[1].merged).toBe(8 * (200 - 16));
    for (const key of keys) {
      expect((await logs.messages(key)).map(({ n }) => n)).toEqual(upTo(200));
      expect(await flags(key)).toEqual({ loose_segments: 16, scattered: false });
    }
  });

  it('M4: and a log that one of them is at stays in line for it', async () => {
    const key = await logs.make();
    await logs.scatter(key, 80);
    const hold = await logs.holdSegment(key, 30);
    const round = compact();
    await hold.blocked();

    expect(await compact(other)).toEqual({ logs: 0, merged: 0, written: 0, bytes: 0 });
    expect(await flags(key)).toEqual({ loose_segments: 80, scattered: true });

    await hold.release();
    expect(await round).toMatchObject({ logs: 1, merged: 64, written: 1 });
  });

  it('M5: killed between two steps it has done nothing, and the next round does it', async () => {
    const key = await logs.make();
    await logs.scatter(key, 80, { bytes: 20_000 });
    const before = { segments: await logs.segments(key), all: await logs.read(key) };
    const hold = await logs.holdSegment(key, 60);
    const round = compact();
    const pid = await hold.blocked();

    await logs.unitOfWork.query(`SELECT pg_terminate_backend($1)`, [pid]);
    expect(await round).toEqual({ logs: 0, merged: 0, written: 0, bytes: 0 });
    expect(await logs.segments(key)).toEqual(before.segments);
    expect(await flags(key)).toEqual({ loose_segments: 80, scattered: true });

    await hold.release();
    expect(await compact()).toMatchObject({ logs: 1, merged: 64, written: 2 });
    expect((await logs.read(key)).equals(before.all)).toBe(true);
  });

  it('M6: appends that come meanwhile are counted for the next round', async () => {
    const key = await logs.make();
    await logs.scatter(key, 80);
    const hold = await logs.holdSegment(key, 30);
    const round = compact();
    await hold.blocked();
    for (let n = 80; n < 150; n++) await logs.append(key, JSON.stringify({ n }));
    await hold.release();

    expect(await round).toMatchObject({ merged: 64, written: 1 });
    expect(await flags(key)).toEqual({ loose_segments: 86, scattered: true });
    expect(await compact()).toMatchObject({ logs: 1, merged: 70 });
    expect(await flags(key)).toEqual({ loose_segments: 16, scattered: false });
  });

  it('M7: a log that grows all the time is never written again and again', async () => {
    const key = await logs.make();
    let rewritten = 0;
    for (let round = 0; round < 100; round++) {
      await logs.scatter(key, 48);
      rewritten += (await compact()).bytes;
    }
    const appended = 4_800 * 260;
    expect(rewritten).toBeGreaterThan(appended / 2);
    expect(rewritten).toBeLessThanOrEqual(appended * (1 + Math.log(MIB / 260) / Math.log(4)));
    expect((await logs.segments(key)).length).toBeLessThanOrEqual(63 + 24);
    expect((await logs.messages(key)).map(({ n }) => n)).toEqual(upTo(4_800));
  });

  it('M8: a delete does not wait for it, and leaves nothing in spite of it', async () => {
    const key = await logs.make();
    await logs.scatter(key, 80);
    const hold = await logs.holdSegment(key, 30);
    const round = compact();
    await hold.blocked();

    await logs.lifecycle.delete(key);
    await expect(logs.read(key)).rejects.toMatchObject({ code: 'stream_not_found' });
    expect(await other.garbage.collect(unlimited)).toEqual({ segments: 0, producers: 0 });
    await hold.release();
    await round;

    expect(await other.garbage.collect(unlimited)).toEqual({ segments: 17, producers: 0 });
    expect(await logs.rowsLeft()).toEqual({ segments: 0, producers: 0, garbage: 0 });
  });

  it('leaves a short log and the newest segments of a long one as they are', async () => {
    const [short, long] = [await logs.make(), await logs.make()];
    await logs.scatter(short, 63);
    await logs.scatter(long, 64);
    await compact();
    expect((await logs.segments(short)).length).toBe(63);
    expect((await logs.segments(long)).slice(1).map(({ upto }) => upto)).toEqual(
      Array.from({ length: 16 }, (_, n) => 49 + n),
    );
  });

  it('reads a fork through segments of its source that were merged across the place where it branches off', async () => {
    const source = await logs.make();
    await logs.scatter(source, 50);
    const fork = await logs.make({
      project_id: source.project_id,
      fork: { source_path: source.path, sub_offset: 0 },
      content_type: undefined,
    });
    await logs.scatter(source, 50);
    await logs.append(fork, '{"n":-1}');
    await compact();
    expect((await logs.segments(source)).length).toBeLessThan(20);
    expect((await logs.messages(fork)).map(({ n }) => n)).toEqual([...upTo(50), -1]);
  });
});

const upTo = (count: number) => [...Array(count).keys()];

/** A JSON text of about `length` bytes, different for each position. */
function jsonOf(n: number, length: number): Buffer {
  return Buffer.from(JSON.stringify({ n, pad: '.'.repeat(length) }));
}

/** Bytes that show where they come from. */
function bytesOf(n: number, length: number): Buffer {
  return Buffer.alloc(length, `${n},`);
}

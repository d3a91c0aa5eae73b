import fc from 'fast-check';
import { formatOffset, pageBytes } from '../src/index.js';
import { startLogs, unlimited, upTo, type Logs } from './logs-fixture.js';

const MIB = 1024 * 1024;
const code = (name: string, members: object = {}) => expect.objectContaining({ code: name, ...members });

describe('reading', () => {
  let logs: Logs;
  /** Remembers next to nothing. */
  let forgetful: Logs;
  beforeAll(async () => {
    logs = await startLogs();
    forgetful = await startLogs({ url: logs.url, cacheBytes: 2_000 });
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(async () => {
    await forgetful.stop();
    await logs.stop();
  });

  /** Counts what a process asks PostgreSQL for the messages of logs. */
  const countReads = (process: Logs) => {
    const spy = jest.spyOn(process.unitOfWork, 'statement');
    return () => spy.mock.calls.filter(([{ text }]) => text.includes('FROM log_segments')).length;
  };

  it('from any position gives exactly what follows it, to the process that wrote it and to others (R1)', async () => {
    const key = await logs.make();
    const values = upTo(30).map((n) => ({ n, text: 'ä'.repeat(n % 5), list: [n, ','] }));
    for (let from = 0, size = 1; from < values.length; from += size++) {
      const messages = values.slice(from, from + size).map((value) => Buffer.from(JSON.stringify(value)));
      await logs.log.append({ ...key, messages });
    }
    for (let position = 0; position <= values.length; position++) {
      const offset = await logs.offsetOf(key, position);
      for (const process of [logs, forgetful]) {
        expect(await process.read(key, offset)).toEqual(values.slice(position));
      }
    }
  });

  it('of bytes from any position gives exactly what follows it (R1)', async () => {
    const key = await logs.make({ content_type: 'application/octet-stream' });
    for (const n of upTo(20)) await logs.log.append({ ...key, messages: [Buffer.alloc(n + 1, n)] });
    const all = await forgetful.read<string>(key);
    expect(all).toBe(
      upTo(20)
        .map((n) => String.fromCharCode(n).repeat(n + 1))
        .join(''),
    );
    for (let position = 0; position <= all.length; position += 7) {
      expect(await logs.read(key, await logs.offsetOf(key, position))).toBe(all.slice(position));
    }
  });

  it('comes in pages of a bounded size, however large one append was, that join without a gap (R2)', async () => {
    const key = await logs.make({ content_type: 'text/plain' });
    // No character of three bytes begins or ends where a page would.
    const body = Buffer.from('€'.repeat(4 * MIB));
    await logs.log.append({ ...key, messages: [body] });
    const { head } = await forgetful.reader.locate(key, '-1');
    const pages: Buffer[] = [];
    for (let at = 0; at < head.tail;) {
      const page = await forgetful.reader.page(head, at);
      expect(page).toMatchObject({ from: at, upToDate: page.next === head.tail });
      pages.push(pageBytes(page));
      at = page.next;
    }
    expect(Math.max(...pages.map(({ length }) => length))).toBeLessThan(5 * MIB);
    for (const page of pages) expect(Buffer.from(page.toString()).equals(page)).toBe(true);
    expect(Buffer.concat(pages).equals(body)).toBe(true);
  });

  it('of many messages comes in pages of a bounded size as well (R2)', async () => {
    const key = await logs.make();
    const pad = 'x'.repeat(100_000);
    const messages = upTo(100).map((n) => Buffer.from(JSON.stringify({ n, pad })));
    await logs.log.append({ ...key, messages });
    const { head } = await forgetful.reader.locate(key, '-1');
    for (const maxBytes of [1, 300_000, 8 * MIB]) {
      const page = await forgetful.reader.page(head, 17, maxBytes);
      expect(pageBytes(page).length).toBeLessThan(Math.max(maxBytes, MIB) + 2 * MIB);
      const seen = (JSON.parse(`[${pageBytes(page).toString()}]`) as { n: number }[]).map(({ n }) => n);
      expect(seen).toEqual(upTo(page.next, 17));
    }
    expect((await forgetful.read<{ n: number }[]>(key)).map(({ n }) => n)).toEqual(upTo(100));
  });

  it('again, or what was appended since, asks PostgreSQL for no message (R3)', async () => {
    const key = await logs.make();
    await logs.append(key, upTo(10));
    await logs.read(key);
    const reads = countReads(logs);
    for (const n of upTo(20, 10)) {
      await logs.append(key, [n]);
      expect(await logs.read(key)).toEqual(upTo(n + 1));
    }
    expect(reads()).toBe(0);
  });

  it('by many at the same time asks PostgreSQL once for all (R3)', async () => {
    const key = await logs.make();
    await logs.append(key, upTo(10));
    const { head } = await forgetful.reader.locate(key, '-1');
    const reads = countReads(forgetful);
    const pages = await Promise.all(upTo(50).map(() => forgetful.reader.page(head, 0)));
    for (const page of pages) expect(page.next).toBe(10);
    expect(reads()).toBe(1);
  });

  it('gives the same before and after compaction, whatever was in memory (R4)', async () => {
    const key = await logs.make();
    for (const n of upTo(100)) await logs.append(key, [n]);
    const middling = await startLogs({ url: logs.url, cacheBytes: 30_000 });
    const positions = fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(positions, async (before) => {
        for (const position of before) {
          for (const process of [logs, forgetful, middling]) {
            const { head } = await process.reader.locate(key, await logs.offsetOf(key, position));
            const page = await process.reader.page(head, position, 1 + (position % 3) * 100);
            const values = page.parts.length ? (JSON.parse(`[${pageBytes(page).toString()}]`) as number[]) : [];
            expect(values).toEqual(upTo(page.next, position));
          }
        }
        const { tail } = await logs.head(key);
        for (const n of upTo(tail + 70, tail)) await logs.append(key, [n]);
        await logs.compactor.run(unlimited);
      }),
      { numRuns: 5 },
    );
    const all = await logs.read(key);
    expect(all).toEqual(upTo(all.length));
    expect(await forgetful.read(key)).toEqual(all);
    expect(await middling.read(key)).toEqual(all);
    expect((await logs.rows(key.project_id)).segments).toBeLessThan(all.length / 2);
    await middling.stop();
  });

  describe('what was trimmed', () => {
    it('is refused with the earliest offset that can be read, whichever way it is asked for (R5)', async () => {
      const key = await logs.make();
      await logs.append(key, upTo(6));
      await logs.append(key, upTo(10, 6));
      expect(await logs.trim(key, 4)).toBe(4);
      await logs.garbage.collect(unlimited);
      const earliest_offset = await logs.offsetOf(key, 4);
      const gone = code('offset_gone', { members: { earliest_offset } });
      for (const process of [logs, forgetful]) {
        for (const offset of [
          await logs.offsetOf(key, 0),
          await logs.offsetOf(key, 3),
          formatOffset({ generation: 0, position: 0 }),
        ]) {
          await expect(process.reader.locate(key, offset)).rejects.toEqual(gone);
          await expect(process.follow(key, offset).ended).rejects.toEqual(gone);
          await expect(process.viewer.poll(key, offset, 0, unlimited)).rejects.toEqual(gone);
        }
        expect(await process.read(key)).toEqual(upTo(10, 4));
        expect(await process.read(key, earliest_offset)).toEqual(upTo(10, 4));
        expect(await process.read(key, await logs.offsetOf(key, 7))).toEqual([7, 8, 9]);
      }
    });

    it('while it is read is refused, never left out (R5)', async () => {
      const key = await logs.make();
      for (const n of upTo(4)) await logs.append(key, [n]);
      const { head, position } = await forgetful.reader.locate(key, '-1');
      await logs.trim(key, 3);
      await logs.garbage.collect(unlimited);
      await expect(forgetful.reader.page(head, position)).rejects.toEqual(code('offset_gone'));
    });

    it('whole is an empty log that goes on at its tail (R5)', async () => {
      const key = await logs.make();
      await logs.append(key, upTo(3));
      expect(await logs.trim(key, 99)).toBe(3);
      expect(await logs.read(key)).toEqual([]);
      await logs.append(key, [3]);
      expect(await forgetful.read(key)).toEqual([3]);
    });

    it('is kept as long as forks read from it, and a fork begins where its source does (R5)', async () => {
      const source = await logs.make();
      await logs.append(source, upTo(8));
      await logs.trim(source, 2);
      const asFork = { project_id: source.project_id, fork: { source_path: source.path, sub_offset: 0 } };
      const branch = await logs.make(asFork);
      expect(await logs.trim(source, 5)).toBe(2);
      await logs.append(branch, [8]);
      expect(await forgetful.read(branch)).toEqual(upTo(9, 2));
      await expect(logs.reader.locate(branch, await logs.offsetOf(source, 1))).rejects.toEqual(code('offset_gone'));
      const tooEarly = { ...asFork, fork: { ...asFork.fork, offset: await logs.offsetOf(source, 1) } };
      await expect(logs.make(tooEarly)).rejects.toEqual(code('offset_gone'));
      await logs.lifecycle.delete(branch);
      expect(await logs.trim(source, 5)).toBe(5);
    });
  });

  it('what is deleted while it is read is refused, never left out (R5)', async () => {
    const key = await logs.make();
    await logs.append(key, upTo(4));
    const { head } = await forgetful.reader.locate(key, '-1');
    await logs.lifecycle.delete(key);
    await logs.garbage.collect(unlimited);
    await expect(forgetful.reader.page(head, 0)).rejects.toEqual(code('stream_not_found'));
  });
});

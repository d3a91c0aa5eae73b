import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cursor, CursorStore } from './cursor-store.js';

describe('the cursors of this machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-cursors-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const store = (url = 'http://one') => new CursorStore(folder, url);

  it('are kept for each session of each api', async () => {
    await store().write('s', '1');
    await store().write('t', '2');
    await store('http://two').write('s', '3');
    expect(await store().read('s')).toBe('1');
    expect(await store().read('t')).toBe('2');
    expect(await store('http://two').read('s')).toBe('3');
    expect(await store().read('other')).toBeUndefined();
  });

  it('leave nothing half-written behind, and what is damaged counts as absent', async () => {
    await store().write('damaged', '1');
    expect(readdirSync(join(folder, 'cursors')).filter((name) => !name.endsWith('.json'))).toEqual([]);
    const before = new Set(readdirSync(join(folder, 'cursors')));
    await store().write('new', '1');
    const [file] = readdirSync(join(folder, 'cursors')).filter((name) => !before.has(name));
    writeFileSync(join(folder, 'cursors', file as string), '{"off');
    expect(await store().read('new')).toBeUndefined();
  });

  it('move without waiting, and end up at the last place', async () => {
    const written: string[] = [];
    const releases: (() => void)[] = [];
    const cursor = new Cursor((offset) => {
      written.push(offset);
      return new Promise((resolve) => releases.push(resolve));
    });
    for (const offset of ['1', '2', '3']) cursor.moveTo(offset);
    const settled = cursor.settled();
    releases[0]?.();
    await new Promise(setImmediate);
    releases[1]?.();
    await settled;
    expect(written).toEqual(['1', '3']);
  });

  it('say so when they cannot be written', async () => {
    const cursor = new Cursor(() => Promise.reject(new Error('disk full')));
    cursor.moveTo('1');
    await new Promise(setImmediate);
    await expect(cursor.settled()).rejects.toThrow('disk full');
  });
});

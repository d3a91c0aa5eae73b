import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { openBlobStore } from '../src/index.js';
import { factsOf } from './blob-content.js';

const run = promisify(execFile);

describe('a folder of blobs', () => {
  let folder: string;
  const open = () => openBlobStore({ url: pathToFileURL(folder).href, s3: { region: '' }, encryptionKeys: [] });
  const files = () =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'holdfast-blobs-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('9: only its user can read what is in it', async () => {
    const content = Buffer.from('mine');
    await (await open()).put('a/b', content, factsOf(content));
    expect(files().map((file) => statSync(file).mode & 0o777)).toEqual([0o600]);
    expect(statSync(join(folder, 'blobs/a')).mode & 0o777).toBe(0o700);
  });

  it('9: a disk without room is an error that says so, and nothing half-written is left', async () => {
    // A limit on the size of files stands for a full disk: the write fails half way, as that one does.
    const library = pathToFileURL(resolve(import.meta.dirname, '../dist/index.js')).href;
    const script = `
      import { createHash } from 'node:crypto';
      const { openBlobStore } = await import(${JSON.stringify(library)});
      const url = ${JSON.stringify(pathToFileURL(folder).href)};
      const store = await openBlobStore({ url, s3: { region: '' }, encryptionKeys: [] });
      const put = (key, bytes) => {
        const content = Buffer.alloc(bytes, 'x');
        return store.put(key, content, { bytes, sha256: createHash('sha256').update(content).digest('hex') });
      };
      await put('small', 1000);
      const outcome = await put('large', 4 * 1024 * 1024).then(() => 'stored', ({ code, message }) => ({ code, message }));
      console.log(JSON.stringify({ outcome, head: (await store.head('large')) ?? null }));`;
    const limited = ['-c', 'ulimit -f 1024; exec "$0" --input-type=module -e "$1"', process.execPath, script];
    const { stdout } = await run('sh', limited);

    expect(JSON.parse(stdout)).toEqual({
      outcome: { code: 'blob_store_full', message: expect.stringContaining('no room') },
      head: null,
    });
    expect(files()).toEqual([join(folder, 'blobs/small+blob')]);
  });

  it('9: what a killed process left unfinished is removed by a later start, what may still be under way is not', async () => {
    await open();
    const [old, young] = ['old', 'young'].map((name) => join(folder, 'unfinished', name)) as [string, string];
    for (const file of [old, young]) writeFileSync(file, 'half');
    utimesSync(old, new Date(), new Date(Date.now() - 2 * 60 * 60 * 1000));
    await open();
    expect(files()).toEqual([young]);
  });
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TAR_END, tarHeader, tarPadding } from '../src/native/tar-archive.rules.js';

const modified_at = new Date('2026-11-21T10:00:00Z');

describe('an archive', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'holdfast-tar-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is one that tar takes, whatever the files are called and however long they are', () => {
    const names = [
      'main.jsonl',
      'subagents/agent-1.jsonl',
      `long/${'x'.repeat(200)}.txt`,
      'скрипт/結果 "quoted".txt',
      `a/${'y'.repeat(97)}`,
      `b/${'y'.repeat(98)}`,
      `b/${'y'.repeat(99)}`,
    ];
    const files = names.map((name, n) => ({ name, data: Buffer.from('z'.repeat(n * 511)) }));
    const archive = Buffer.concat([
      ...files.flatMap(({ name, data }) => [
        tarHeader({ name, bytes: data.length, modified_at }),
        data,
        tarPadding(data.length),
      ]),
      TAR_END,
    ]);
    writeFileSync(path.join(folder, 'a.tar'), archive);
    execFileSync('tar', ['-xf', 'a.tar'], { cwd: folder, env: { ...process.env, LC_ALL: 'C.UTF-8' } });
    for (const { name, data } of files) expect(readFileSync(path.join(folder, name))).toEqual(data);
    expect(readdirSync(folder).sort()).toEqual(['a', 'a.tar', 'b', 'long', 'main.jsonl', 'subagents', 'скрипт']);
  });
});

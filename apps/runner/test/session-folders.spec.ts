import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { SessionFolders } from '../src/session-folders.js';
import { isAlive } from './processes.js';

describe('the folder of a session', () => {
  const runnerFolder = mkdtempSync(join(tmpdir(), 'holdfast-folders-'));
  const programs: ChildProcess[] = [];
  afterEach(() => programs.splice(0).forEach((program) => program.kill('SIGKILL')));
  afterAll(() => rmSync(runnerFolder, { recursive: true }));

  async function workFor(mark: string): Promise<number> {
    const program = spawn(process.execPath, ['-e', `console.log('up'); setInterval(() => {}, 1000)`], {
      env: { HOLDFAST_AGENT: `${mark}#earlier` },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    programs.push(program);
    await once(program.stdout as Readable, 'data');
    return program.pid as number;
  }

  it('is cleared of whoever works there, unless its last turn was seen to leave nobody', async () => {
    const folders = new SessionFolders(runnerFolder);
    const { mark } = await folders.open('s-1');
    folders.leave('s-1');
    const program = await workFor(mark);
    await folders.open('s-1');
    expect(isAlive(program)).toBe(true);
    await folders.open('s-1');
    expect(isAlive(program)).toBe(false);
  });

  it('is looked at again when ten thousand others were left after it', async () => {
    const folders = new SessionFolders(runnerFolder);
    const { mark } = await folders.open('s-2');
    folders.leave('s-2');
    for (let other = 0; other < 10_000; other += 1) folders.leave(`other-${other}`);
    const program = await workFor(mark);
    await folders.open('s-2');
    expect(isAlive(program)).toBe(false);
  });
});

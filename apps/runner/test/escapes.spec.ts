import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { isAlive, processIsGone } from './processes.js';
import { TurnBench } from './turn-bench.js';

describe('a program that left the process group of its agent', () => {
  let bench: TurnBench;
  const strays: number[] = [];

  beforeEach(() => {
    bench = new TurnBench();
  });

  afterEach(async () => {
    await bench.close();
    for (const pid of strays.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });

  async function withDaemon(prompt: string, on = bench) {
    const grant = on.start(`[[daemon]]${prompt}`);
    await on.plane.until(() => on.plane.text(grant) !== '');
    const daemon = parseInt(on.plane.text(grant), 10);
    strays.push(daemon);
    return { grant, daemon };
  }

  it('K6: is gone when the turn is over', async () => {
    const { grant, daemon } = await withDaemon('');
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(isAlive(daemon)).toBe(false);
  });

  it('K6: is gone when the turn is cancelled', async () => {
    const { grant, daemon } = await withDaemon('[[hang]]');
    bench.plane.cancel(grant);
    await bench.plane.ended(grant);
    expect(isAlive(daemon)).toBe(false);
  });

  it('is gone when its agent dies', async () => {
    const { grant, daemon } = await withDaemon('[[crash]]');
    expect(await bench.plane.ended(grant)).toMatchObject({ error: { code: 'agent_exited' } });
    expect(isAlive(daemon)).toBe(false);
  });

  it('is gone when the watchdog of its agent was killed', async () => {
    const grant = bench.startScript(`
      const daemon = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
      const update = { daemon: daemon.pid, watchdog: process.ppid };
      console.log(JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params: { update } }));
      setInterval(() => {}, 1000);`);
    const { daemon, watchdog } = await bench.plane.until(
      () => bench.plane.updates(grant)[0] as Record<'daemon' | 'watchdog', number> | undefined,
    );
    strays.push(daemon);
    process.kill(watchdog, 'SIGKILL');
    expect(await bench.plane.ended(grant)).toMatchObject({ error: { code: 'agent_exited' } });
    expect(isAlive(daemon)).toBe(false);
  });

  it('B17: is gone when no beat succeeds', async () => {
    const brief = new TurnBench({ beatMs: 500, watchdogMs: 4_000 });
    const { daemon } = await withDaemon('[[hang]]', brief);
    brief.plane.isDown = true;
    await processIsGone(daemon);
    brief.plane.isDown = false;
    await brief.close();
  });

  it("is left alone when it is the agent's of another turn", async () => {
    const { grant: first, daemon } = await withDaemon('[[listen]]');
    const { grant: second, daemon: other } = await withDaemon('');
    await bench.plane.ended(second);
    expect([isAlive(daemon), isAlive(other)]).toEqual([true, false]);
    bench.plane.steer(first, '[[say: end]]');
    await bench.plane.ended(first);
    expect(isAlive(daemon)).toBe(false);
  });

  describe('and was left behind by a runner whose watchdog was killed with it', () => {
    /** As such a runner leaves it: marked, and nobody's child. */
    async function leftBehind(folder: string): Promise<number> {
      const program = spawn(process.execPath, ['-e', `console.log('up'); setInterval(() => {}, 1000)`], {
        detached: true,
        env: { HOLDFAST_AGENT: `${folder}#earlier` },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      await once(program.stdout as Readable, 'data');
      strays.push(program.pid as number);
      return program.pid as number;
    }

    it('is ended before the next agent works in the folder of its session', async () => {
      const folder = join(bench.folder, 'sessions', 's-1');
      mkdirSync(folder, { recursive: true });
      const stray = await leftBehind(folder);
      const grant = bench.start('[[say:x]]', { session_id: 's-1' });
      await bench.plane.until(() => bench.plane.text(grant) === 'x');
      expect(isAlive(stray)).toBe(false);
      expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    });

    it('is ended also when this runner hosted the turn before, and could not end all of its agent', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'holdfast-watchdog-'));
      const watchdog = join(folder, 'watchdog.mjs');
      writeFileSync(watchdog, `import { writeSync } from 'node:fs'; writeSync(3, 'exited 0\\nleft 1\\n');`);
      const unlucky = new TurnBench({ watchdog });
      const first = unlucky.start('', { session_id: 's-1' });
      expect(await unlucky.plane.ended(first)).toMatchObject({ error: { code: 'agent_exited' } });
      const stray = await leftBehind(join(unlucky.folder, 'sessions', 's-1'));
      await unlucky.plane.ended(unlucky.start('', { session_id: 's-1' }));
      expect(isAlive(stray)).toBe(false);
      await unlucky.close();
      rmSync(folder, { recursive: true });
    });

    it("is left alone when it works in another runner's folder, also for the same session", async () => {
      const another = new TurnBench();
      const grants = [bench, another].map((on) => on.start('[[daemon]][[listen]]', { session_id: 's-1' }));
      await Promise.all([bench, another].map((on, n) => on.plane.until(() => on.plane.text(grants[n]!) !== '')));
      const [mine, theirs] = [bench, another].map((on, n) => parseInt(on.plane.text(grants[n]!), 10)) as [
        number,
        number,
      ];
      strays.push(mine, theirs);
      bench.plane.cancel(grants[0]!);
      await bench.plane.ended(grants[0]!);

      const next = bench.start('[[say:x]]', { session_id: 's-1' });
      await bench.plane.ended(next);
      expect([isAlive(mine), isAlive(theirs)]).toEqual([false, true]);
      await another.close();
      expect(isAlive(theirs)).toBe(false);
    });
  });
});

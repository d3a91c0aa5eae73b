import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { SessionTurnGrant } from '@holdfast/client';
import { MemoryControlPlane } from './memory-control-plane.js';
import { isAlive } from './processes.js';
import { TurnBench } from './turn-bench.js';

describe('a folder of the user that the agents of all sessions work in', () => {
  let folder: string;
  let bench: TurnBench;
  const programs: number[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-work-'));
    chmodSync(folder, 0o755);
    bench = new TurnBench({ workFolder: folder });
  });

  afterEach(async () => {
    await bench.close();
    for (const pid of programs.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /** A program that works in the folder until it is ended; nobody's child, as of a terminal beside. */
  async function program(env: Record<string, string> = {}): Promise<number> {
    const started = spawn(process.execPath, ['-e', `console.log('up'); setInterval(() => {}, 1000)`], {
      cwd: folder,
      detached: true,
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(started.stdout as Readable, 'data');
    programs.push(started.pid as number);
    return started.pid as number;
  }

  /** As a runner leaves it that was killed together with its watchdog. */
  const leftBy = (on: TurnBench, session_id: string) =>
    program({ HOLDFAST_AGENT: `${join(on.folder, 'sessions', session_id)}#earlier` });

  /** A turn whose agent has left its own group behind, and what that started. */
  async function withDaemon(on: TurnBench, session_id: string, prompt: string) {
    const grant = on.start(`[[daemon]]${prompt}`, { session_id });
    await on.plane.until(() => on.plane.text(grant) !== '');
    const daemon = parseInt(on.plane.text(grant), 10);
    programs.push(daemon);
    return { grant, daemon };
  }

  it('is where they are started, and has all that it had, as it was', async () => {
    writeFileSync(join(folder, 'own.txt'), 'mine', { mode: 0o640 });
    const grant = bench.startScript(`
      const update = { cwd: process.cwd() };
      console.log(JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params: { update } }));
      setInterval(() => {}, 1000);`);
    const { cwd } = await bench.plane.until(() => bench.plane.updates(grant)[0]);
    expect(cwd).toBe(folder);
    bench.plane.cancel(grant);
    await bench.plane.ended(grant);

    await bench.plane.ended(bench.start('[[say:x]]', { session_id: 's-1' }));
    expect(readdirSync(folder).sort()).toEqual(['.scripted-agent', 'own.txt']);
    expect(readFileSync(join(folder, 'own.txt'), 'utf8')).toBe('mine');
    expect([folder, join(folder, 'own.txt')].map((path) => statSync(path).mode & 0o777)).toEqual([0o755, 0o640]);
    expect(readdirSync(join(bench.folder, 'sessions', 's-1'))).toEqual([]);
  });

  it("has programs of the user's own, which no turn ends, however it ends itself or clears up after another", async () => {
    const own = [await program(), await program({ HOLDFAST_AGENT: `${folder}#1` })];
    mkdirSync(join(bench.folder, 'sessions', 's-1'), { recursive: true });
    const left = await leftBy(bench, 's-1');
    const completed = await withDaemon(bench, 's-1', '');
    expect(isAlive(left)).toBe(false);
    expect(await bench.plane.ended(completed.grant)).toMatchObject({ status: 'completed' });

    const cancelled = await withDaemon(bench, 's-1', '[[hang]]');
    bench.plane.cancel(cancelled.grant);
    expect(await bench.plane.ended(cancelled.grant)).toMatchObject({ status: 'cancelled' });

    const crashed = await withDaemon(bench, 's-1', '[[crash]]');
    expect(await bench.plane.ended(crashed.grant)).toMatchObject({ error: { code: 'agent_exited' } });

    const fenced = await withDaemon(bench, 's-1', '[[hang]]');
    bench.plane.kill(fenced.grant);
    await bench.plane.ended(bench.start('[[say:x]]', { session_id: 's-1' }));

    expect([completed, cancelled, crashed, fenced].map(({ daemon }) => isAlive(daemon))).toEqual(Array(4).fill(false));
    expect(own.map(isAlive)).toEqual([true, true]);
  });

  it('has several sessions, of which none ends what another one started', async () => {
    const first = await withDaemon(bench, 's-1', '[[listen]]');
    const second = await withDaemon(bench, 's-2', '[[hang]]');
    bench.plane.cancel(second.grant);
    await bench.plane.ended(second.grant);
    expect([first, second].map(({ daemon }) => isAlive(daemon))).toEqual([true, false]);

    mkdirSync(join(bench.folder, 'sessions', 's-3'), { recursive: true });
    const left = [await leftBy(bench, 's-3'), await leftBy(bench, 's-4')];
    await bench.plane.ended(bench.start('[[say:x]]', { session_id: 's-3' }));
    expect([...left, first.daemon].map(isAlive)).toEqual([false, true, true]);

    bench.plane.steer(first.grant, '[[say: end]]');
    expect(await bench.plane.ended(first.grant)).toMatchObject({ status: 'completed' });
    expect(isAlive(first.daemon)).toBe(false);
  });

  it('has agents of several runners, which leave those of one another alone, also of the same session', async () => {
    const another = new TurnBench({ workFolder: folder });
    const theirs = await withDaemon(another, 's-1', '[[hang]]');
    mkdirSync(join(bench.folder, 'sessions', 's-1'), { recursive: true });
    const left = [await leftBy(bench, 's-1'), await leftBy(another, 's-1')];
    await bench.plane.ended(bench.start('[[say:x]]', { session_id: 's-1' }));
    expect([...left, theirs.daemon].map(isAlive)).toEqual([false, true, true]);
    await another.close();
  });

  it('has the conversation of each session, and of none the past of another', async () => {
    const ends = ['one', 'two'].map((said) => bench.start(`[[say:${said}]]`, { session_id: `s-${said}` }));
    for (const grant of ends) await bench.plane.ended(grant);
    const again = recalling(bench, ends[0]!);
    await bench.plane.ended(again);
    expect(bench.plane.text(again)).toContain('[[say:one]]');
    expect(bench.plane.text(again)).not.toContain('[[say:two]]');
  });

  it('may be another one in a later turn: the conversation is brought there, and back again', async () => {
    const plane = new MemoryControlPlane();
    const here = new TurnBench({ plane, workFolder: folder });
    const elsewhere = mkdtempSync(join(tmpdir(), 'holdfast-work-'));
    const there = new TurnBench({ plane, folder: here.folder, workFolder: elsewhere });
    const first = here.start('[[say:one]]', { session_id: 's-1' });
    await plane.ended(first);
    for (const on of [there, here, there]) await plane.ended(recalling(on, first));
    expect(plane.text(first).match(/1\. \[\[say:one\]\]/g)).toHaveLength(3);
    expect(plane.text(first)).toContain('3. [[recall]]');
    const conversation = join('.scripted-agent', `${nativeIdOf(plane, first)}.jsonl`);
    expect([folder, elsewhere].map((place) => existsSync(join(place, conversation)))).toEqual([true, true]);
    await there.close();
    await here.close();
    rmSync(elsewhere, { recursive: true });
  });

  it('that is gone fails the turn, and is not made again', async () => {
    rmSync(folder, { recursive: true });
    const grant = bench.start('[[say:x]]');
    const message = `The folder that the agent is to work in is not there: ${folder}.`;
    expect(await bench.plane.ended(grant)).toMatchObject({ error: { code: 'agent_start_failed', message } });
    expect(existsSync(folder)).toBe(false);
  });

  function recalling(on: TurnBench, { session_id, ...first }: SessionTurnGrant): SessionTurnGrant {
    const native_id = nativeIdOf(on.plane, { session_id, ...first });
    const resume_conversation = { harness: 'scripted', native_id, agent_name: 'scripted' };
    return on.start('[[recall]]', { session_id, resume_agent_session_id: native_id, resume_conversation });
  }

  function nativeIdOf(plane: MemoryControlPlane, { turn_id }: SessionTurnGrant): string {
    const beats = plane.beats.flatMap(({ turns }) => turns);
    return beats.findLast((beat) => beat.turn_id === turn_id && beat.agent_session_id)!.agent_session_id!;
  }
});

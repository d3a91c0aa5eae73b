import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { AgentTree } from '../src/agent-tree.js';
import { isAlive, processIsGone } from './processes.js';

const lives = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`;

/** `spawn` of a program that lives on; its options, and whether its environment is wiped, are the test's. */
const start = (options: string) =>
  `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(lives)}], { stdio: 'ignore', ${options} })`;

describe('AgentTree', () => {
  const started: ChildProcess[] = [];
  const pids: number[] = [];

  afterEach(() => {
    for (const pid of pids.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });

  /** A leader of a group that is marked, which prints the pids of what `script` starts, and lives on. */
  async function leader(marker: string, script: string) {
    const child = spawn(process.execPath, ['-e', `${script} ${lives}`], {
      detached: true,
      env: { HOLDFAST_AGENT: marker },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.push(child);
    const tree = new AgentTree(marker, child.pid);
    const [line = ''] = await (async () => {
      for await (const text of createInterface({ input: child.stdout! })) return [text];
      return [];
    })();
    const others = line.split(' ').filter(Boolean).map(Number);
    pids.push(...others);
    return { tree, pid: child.pid as number, others, child };
  }

  const marker = () => `/some/folder#${randomUUID()}`;

  it('finds children, sessions of their own, and wiped environments, and ends them all', async () => {
    const { tree, pid, others } = await leader(
      marker(),
      `console.log([${start('')}, ${start('detached: true')}, ${start('detached: true, env: {}')}].map((c) => c.pid).join(' '));`,
    );
    expect(tree.count()).toBe(4);
    expect(await tree.end(10_000)).toBe(0);
    expect([pid, ...others].map(isAlive)).toEqual([false, false, false, false]);
  });

  it('finds who cut its ancestry by its marker', async () => {
    const { tree, others } = await leader(
      marker(),
      `const forks = ${JSON.stringify(`console.log(${start('detached: true')}.pid); process.exit()`)};
       const parent = require('child_process').spawn(process.execPath, ['-e', forks], { stdio: ['ignore', 'pipe', 'ignore'] });
       let pid = ''; parent.stdout.on('data', (text) => (pid += text));
       parent.on('close', () => console.log(pid.trim()));`,
    );
    expect(tree.count()).toBe(2);
    expect(await tree.end(10_000)).toBe(0);
    expect(isAlive(others[0] as number)).toBe(false);
  });

  it('finds its own by a marker that has more than ASCII in it', async () => {
    const folder = `/home/zoë/${randomUUID()}`;
    const { pid } = await leader(`${folder}#1`, `console.log('');`);
    expect(await new AgentTree(`${folder}#`).end(10_000)).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });

  it('remembers who wiped its environment and cut its ancestry after it was seen', async () => {
    const { tree, others, child } = await leader(marker(), `console.log(${start('detached: true, env: {}')}.pid);`);
    expect(tree.count()).toBe(2);
    child.kill('SIGKILL');
    expect(await tree.end(10_000)).toBe(0);
    expect(isAlive(others[0] as number)).toBe(false);
  });

  it('takes nobody for its own who is marked otherwise, or not at all', async () => {
    const folder = `/some/${randomUUID()}`;
    const mine = await leader(`${folder}#1`, `console.log('');`);
    const others = [await leader(`${folder}2#1`, `console.log('');`), await leader('', `console.log('');`)];
    expect(mine.tree.count()).toBe(1);
    expect(new AgentTree(`${folder}#`).count()).toBe(1);
    expect(await new AgentTree(`${folder}#`).end(10_000)).toBe(0);
    expect(isAlive(mine.pid)).toBe(false);
    expect(others.map(({ pid }) => isAlive(pid))).toEqual([true, true]);
  });

  it('sees with a near look who was started since the last one, and who is gone', async () => {
    const { tree, others, child } = await leader(
      marker(),
      `process.on('SIGUSR2', () => { ${start('detached: true, env: {}')}; console.log('one more'); }); console.log(${start('')}.pid);`,
    );
    expect([tree.count(), tree.countNear()]).toEqual([2, 2]);
    child.kill('SIGUSR2');
    await once(child.stdout!, 'data');
    expect(tree.countNear()).toBe(3);
    process.kill(others[0] as number, 'SIGKILL');
    await processIsGone(others[0] as number);
    expect(tree.countNear()).toBe(2);
    expect(await tree.end(10_000)).toBe(0);
  });

  it('counts memory that is shared once', async () => {
    const { tree } = await leader(
      marker(),
      `const eaten = Buffer.alloc(64 * 1024 * 1024, 1); console.log([${start('')}, ${start('')}].map((c) => c.pid).join(' '));`,
    );
    tree.count();
    const atMost = tree.memoryMib(Infinity);
    const exact = tree.memoryMib(0);
    expect(exact).toBeGreaterThan(64);
    expect(exact).toBeLessThan(atMost);
  });
});

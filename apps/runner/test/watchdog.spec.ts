import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { processIsGone, watchdogPath } from './processes.js';

const isStubborn = `process.on('SIGTERM', () => {});`;
const lives = `setInterval(() => {}, 1000);`;
const generous = { processes: 100, memoryMib: 4_096 };

/** A watchdog over `node -e script`, spoken to as the runner does. */
class Guard {
  readonly process: ChildProcess;
  readonly control: Duplex;
  readonly reports: string[] = [];
  private readonly lines: Interface;
  private readonly output: Interface;
  private readonly ended: Promise<unknown>;

  constructor(script: string, { limitMs = 20_000, command = process.execPath, limits = generous } = {}) {
    this.process = spawn(process.execPath, [watchdogPath], {
      stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
      detached: true,
    });
    this.control = this.process.stdio[3] as Duplex;
    this.lines = createInterface({ input: this.control }).on('line', (line) => this.reports.push(line));
    this.ended = Promise.all([once(this.control, 'close'), once(this.process, 'exit')]);
    this.output = createInterface({ input: this.process.stdout! });
    const environment = { PATH: process.env.PATH };
    const launch = { command, args: ['-e', script], cwd: '/', environment, marker: randomUUID(), limitMs, limits };
    this.order(`launch ${JSON.stringify(launch)}`);
  }

  order(line: string): void {
    this.control.write(`${line}\n`);
  }

  /** The next line that the agent prints. */
  async said(): Promise<string> {
    return (await once(this.output, 'line'))[0] as string;
  }

  async group(): Promise<number> {
    while (!this.reports[0]) await once(this.lines, 'line');
    return Number(this.reports[0].replace('started ', ''));
  }

  /** Leaves nothing running, however the test ended. */
  sweep(): void {
    this.process.kill('SIGKILL');
    const [, group] = /^started (\d+)$/.exec(this.reports[0] ?? '') ?? [];
    try {
      if (group) process.kill(-group, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }

  async closed(): Promise<void> {
    await this.ended;
  }
}

describe('watchdog', () => {
  let guard: Guard | undefined;

  afterEach(() => {
    guard?.sweep();
  });

  it('starts the agent in a group of its own, with its folder, environment and marker and nothing else', async () => {
    guard = new Guard(`
      const leadsGroup = process.kill(-process.pid, 0);
      let hasControl = false;
      try { hasControl = require('fs').fstatSync(3).isSocket(); } catch {}
      console.log(JSON.stringify({
        cwd: process.cwd(), environment: Object.keys(process.env), pid: process.pid, leadsGroup, hasControl,
      }));`);
    const agent = JSON.parse(await guard.said());
    expect(agent).toMatchObject({
      cwd: '/',
      environment: ['PATH', 'HOLDFAST_AGENT'],
      leadsGroup: true,
      hasControl: false,
    });
    await guard.closed();
    expect(guard.reports).toEqual([`started ${agent.pid}`, 'exited 0', 'left 0']);
  });

  it('reports how the agent ended, and kills what it left behind', async () => {
    guard = new Guard(`
      const child = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(isStubborn + lives)}], { stdio: 'ignore' });
      child.once('spawn', () => { console.log(child.pid); process.exit(7); });`);
    const left = Number(await guard.said());
    await guard.closed();
    expect(guard.reports.slice(1)).toEqual(['exited 7', 'left 0']);
    await processIsGone(left);
  });

  it('says why a program could not be started', async () => {
    guard = new Guard('', { command: '/no/such/agent' });
    await guard.closed();
    expect(guard.reports).toEqual(['failed spawn /no/such/agent ENOENT']);
  });

  it('ends the whole group when the runner is gone, even one that ignores SIGTERM', async () => {
    guard = new Guard(`${isStubborn}
      const child = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(isStubborn + lives)}], { stdio: 'ignore' });
      child.once('spawn', () => console.log(child.pid)); ${lives}`);
    const child = Number(await guard.said());
    const leader = await guard.group();
    const closedAt = performance.now();
    guard.control.destroy();

    await Promise.all([processIsGone(leader), processIsGone(child)]);
    expect(performance.now() - closedAt).toBeLessThan(5_000);
    await guard.closed();
  });

  it('ends the group when its time is out, also one that is frozen', async () => {
    guard = new Guard(`console.log('up'); ${lives}`);
    await guard.said();
    const leader = await guard.group();
    process.kill(leader, 'SIGSTOP');
    guard.order('extend 100');

    await processIsGone(leader);
    await guard.closed();
    expect(guard.reports).toEqual([`started ${leader}`, 'expired', 'exited SIGKILL', 'left 0']);
  });

  it('lets the agent live for as long as it is extended', async () => {
    guard = new Guard(`console.log('up'); setTimeout(() => process.exit(0), 1500);`, { limitMs: 1_000 });
    await guard.said();
    guard.order('extend 20000');
    await guard.closed();
    expect(guard.reports).toContain('exited 0');
  });

  it('asks first and kills after the grace it is given', async () => {
    guard = new Guard(`process.on('SIGTERM', () => process.exit(3)); console.log('up'); ${lives}`);
    await guard.said();
    guard.order('end 10000');
    await guard.closed();
    expect(guard.reports).toContain('exited 3');

    guard = new Guard(`${isStubborn} console.log('up'); ${lives}`);
    await guard.said();
    guard.order('end 50');
    guard.order('end 60000');
    await guard.closed();
    expect(guard.reports).toContain('exited SIGKILL');
  });

  it('is not moved by the signals that stop a service, and ends the agent still when its time is out', async () => {
    guard = new Guard(`console.log('up'); ${lives}`);
    await guard.said();
    const leader = await guard.group();
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) guard.process.kill(signal);
    guard.order('extend 500');
    await guard.closed();
    expect(guard.reports).toEqual([`started ${leader}`, 'expired', 'exited SIGTERM', 'left 0']);
  });
});

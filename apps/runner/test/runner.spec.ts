import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlPlaneServer } from './control-plane-server.js';
import { MemoryControlPlane } from './memory-control-plane.js';
import { isAlive, processIsGone } from './processes.js';

const program = join(__dirname, '../dist/main.js');

/** The built runner, as its own process. */
class Runner {
  readonly process: ChildProcess;
  output = '';
  private readonly exited: Promise<number | null>;

  constructor(environment: Record<string, string>) {
    this.process = spawn(process.execPath, [program], { env: { PATH: process.env.PATH ?? '', ...environment } });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.exited = once(this.process, 'close').then(([code]) => code as number | null);
  }

  async prints(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      await Promise.race([once(this.process.stdout!, 'data'), this.exited]);
      const { exitCode, signalCode } = this.process;
      if ((exitCode !== null || signalCode !== null) && !this.output.includes(text)) throw new Error(this.output);
    }
  }

  async exitCode(): Promise<number | null> {
    return await this.exited;
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}

describe('the runner', () => {
  let plane: MemoryControlPlane;
  let server: ControlPlaneServer;
  let folder: string;
  let runners: Runner[];

  beforeEach(async () => {
    plane = new MemoryControlPlane();
    server = await ControlPlaneServer.start(plane);
    folder = mkdtempSync(join(tmpdir(), 'holdfast-runner-'));
    runners = [];
  });

  afterEach(async () => {
    await Promise.all(runners.map((runner) => runner.kill()));
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function launch(environment: Record<string, string> = {}): Runner {
    const runner = new Runner({
      HOLDFAST_URL: server.url,
      HOLDFAST_RUNNER_KEY: 'hf_runner_test_secret',
      HOLDFAST_RUNNER_DIR: folder,
      ...environment,
    });
    runners.push(runner);
    return runner;
  }

  async function ready(environment: Record<string, string> = {}): Promise<Runner> {
    const runner = launch(environment);
    await runner.prints('runner ready');
    return runner;
  }

  /** A turn whose agent has said the pid of its child and then does what the prompt says. */
  async function running(prompt: string) {
    const grant = plane.invoke(`[[fork]]${prompt}`);
    await plane.until(() => plane.text(grant) !== '');
    return { grant, child: parseInt(plane.text(grant), 10) };
  }

  it('A10: does not start without its key, and names every problem of its configuration at once', async () => {
    const wrong = {
      HOLDFAST_URL: 'localhost',
      HOLDFAST_CAPACITY: '0',
      HOLDFAST_LABELS: 'gpu',
      HOLDFAST_WORK_DIR: 'work',
      HOLDFAST_MAX_PROCESSES: '-1',
      HOLDFAST_MAX_MEMORY_MIB: '1.5',
      HOLDFAST_MAX_OUTPUT_MIB: 'much',
      HOLDFAST_MAX_TURN_MINUTES: '',
      HOLDFAST_CAPTURE_SECONDS: '0',
    };
    const runner = new Runner(wrong);
    expect(await runner.exitCode()).toBe(1);
    for (const name of [...Object.keys(wrong), 'HOLDFAST_RUNNER_KEY', 'HOLDFAST_RUNNER_DIR']) {
      expect(runner.output).toContain(name);
    }
    expect(runner.output).not.toContain('    at ');
  });

  it.each([
    ['is not there', () => join(folder, 'nowhere')],
    ['is a file', () => program],
  ])('does not start where the folder that its agents are to work in %s', async (_, workFolder) => {
    const runner = launch({ HOLDFAST_WORK_DIR: workFolder() });
    expect(await runner.exitCode()).toBe(1);
    expect(runner.output).toContain(`HOLDFAST_WORK_DIR must be the absolute path of a folder that is there`);
    expect(runner.output).toContain(workFolder());
  });

  it('has its agents work in the folder that it was told, and keeps what is its own elsewhere', async () => {
    const workFolder = mkdtempSync(join(tmpdir(), 'holdfast-work-'));
    await ready({ HOLDFAST_WORK_DIR: workFolder });
    const grant = plane.invoke('[[say:here]]');
    expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
    // The scripted agent's conversations.
    expect(readdirSync(workFolder)).toEqual(['.scripted-agent']);
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(['private-pool', 'runner.lock', 'sessions']));
    rmSync(workFolder, { recursive: true });
  });

  it('says what the api has against it', async () => {
    server.intercept = (_, response) => {
      response.writeHead(401).end('{"status":401,"code":"credential_invalid","detail":"The key was revoked."}');
      return true;
    };
    const runner = launch();
    expect(await runner.exitCode()).toBe(1);
    expect(runner.output).toContain('The key was revoked.');
    expect(existsSync(join(folder, 'runner.lock'))).toBe(false);
  });

  it('waits for an api that is not there yet', async () => {
    const { port } = server;
    await server.close();
    const runner = launch();
    await runner.prints('contact with the api is lost');
    await server.listen(port);
    await runner.prints('runner ready');
    expect(runner.output.match(/contact with the api is lost/g)).toHaveLength(1);
  });

  it('runs the turns it claims, as many at once as it has capacity', async () => {
    await ready({ HOLDFAST_CAPACITY: '2' });
    const first = await running('[[ask:go]]');
    const second = await running('[[ask:go]]');
    const third = plane.invoke('[[say:third]]');
    expect(plane.status(third)).toBe('queued');

    for (const { grant } of [first, second]) {
      const question = await plane.until(() => plane.interactions.find(({ turn_id }) => turn_id === grant.turn_id));
      plane.answer(grant, question.interaction_id, 'allow');
      expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
    }
    expect(await plane.ended(third)).toMatchObject({ status: 'completed' });
    expect(plane.text(third)).toBe('third');
  });

  it('K1: hosts many turns at once, each with what it was given', async () => {
    await ready({ HOLDFAST_CAPACITY: '8' });
    const grants = [...Array(8).keys()].map((n) => plane.invoke(`[[say:${n}]][[listen]]`));
    await plane.until(() => grants.every((grant, n) => plane.text(grant) === `${n}`));
    grants.forEach((grant, n) => plane.steer(grant, `[[say: and ${n}]]`));
    for (const grant of grants) expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(grants.map((grant) => plane.text(grant))).toEqual(grants.map((_, n) => `${n} and ${n}`));
  });

  it('tells the api what it has, and keeps its agents within the limits it was given', async () => {
    await ready({
      HOLDFAST_POOLS: 'default,gpu',
      HOLDFAST_LABELS: 'zone=eu-1, gpu=a100',
      HOLDFAST_CAPACITY: '7',
      HOLDFAST_MAX_OUTPUT_MIB: '1',
    });
    expect(plane.registrations).toMatchObject([
      { pools: ['default', 'gpu'], labels: ['zone=eu-1', 'gpu=a100'], capacity: 7 },
    ]);
    const grant = plane.invoke('[[flood:999999]]');
    expect(await plane.ended(grant)).toMatchObject({ status: 'failed', error: { code: 'agent_output_limit' } });
  });

  it('takes turns for its machine alone, under a name that nobody can guess and that it keeps', async () => {
    const first = await ready({ HOLDFAST_POOLS: '' });
    await first.kill();
    const second = await ready({ HOLDFAST_POOLS: 'default' });
    await second.kill();
    await ready({ HOLDFAST_RUNNER_DIR: join(folder, 'another') });
    const [one, again, other] = plane.registrations;
    expect([one!.pools, again!.pools]).toEqual([[], ['default']]);
    expect(one!.private_pool).toMatch(/^local-[0-9a-f]{32}$/);
    expect(again!.private_pool).toBe(one!.private_pool);
    expect(other!.private_pool).not.toBe(one!.private_pool);
    expect(statSync(join(folder, 'private-pool')).mode & 0o777).toBe(0o600);
  });

  it('makes a new name in place of one that was cut off', async () => {
    writeFileSync(join(folder, 'private-pool'), 'local-0123');
    await ready();
    expect(plane.registrations[0]!.private_pool).toMatch(/^local-[0-9a-f]{32}$/);
  });

  it('stops with whoever started it, where it was told to', async () => {
    const runner = await ready({ HOLDFAST_STOPS_WITH_STDIN: '1' });
    const { grant } = await running('[[hang]]');
    runner.process.stdin!.end();
    expect(await runner.exitCode()).toBe(0);
    expect(plane.handOvers).toMatchObject([{ turn_id: grant.turn_id, reason: 'runner_stopped' }]);
  });

  it('lets its agents work with others, under the credential of their turn', async () => {
    await ready();
    const grant = plane.invoke('[[call:run_agents {"name":"one","prompt":"p"}]][[call:wait_for_messages]]');
    const tree = plane.treeOf(grant.session_id);
    await tree.until(() => tree.waits.length > 0);
    const message = tree.receive('done');
    expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect([tree.started, tree.acknowledged]).toEqual([[{ name: 'one', prompt: 'p' }], [message]]);
    const asked = server.received.filter(({ path }) => path.startsWith('/v1/admin/sessions/tasks/'));
    for (const { headers } of asked) expect(headers.authorization).toBe(`Bearer ${grant.credential}`);
  });

  it('never lets an agent see its key', async () => {
    await ready();
    const script = `
      const { readFileSync, readdirSync } = require('fs');
      const ofWatchdog = process.platform === 'linux' ? readFileSync('/proc/' + process.ppid + '/environ', 'utf8') : '';
      process.stderr.write(JSON.stringify(process.env) + ofWatchdog, () => process.exit(1));`;
    const grant = plane.invoke('go', { harness: 'acp', command: [process.execPath, '-e', script] });
    const { error } = await plane.ended(grant);
    expect(error?.message).toContain('PATH');
    expect(error?.message).not.toContain('hf_runner');
  });

  it('carries a turn through an api that restarts, without losing or doubling an event', async () => {
    await ready();
    const grant = plane.invoke('[[stream:60:20]]');
    const { port } = server;
    for (const progress of ['chunk 10 ', 'chunk 25 ']) {
      await plane.until(() => plane.text(grant).includes(progress));
      await server.close();
      await server.listen(port);
    }
    expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(plane.text(grant)).toBe([...Array(60).keys()].map((n) => `chunk ${n + 1} `).join(''));
  });

  it('K5: hands its turns over and exits when it is asked to stop, and another runner carries on', async () => {
    const runner = await ready();
    const { grant, child } = await running('[[deaf]][[say:!]][[listen]]');
    await plane.until(() => plane.text(grant).endsWith('!'));
    runner.process.kill('SIGTERM');

    await plane.until(() => plane.handOvers.length === 1);
    expect(await runner.exitCode()).toBe(0);
    expect(runner.output).toContain('"turns_left":0');
    expect(isAlive(child)).toBe(false);
    expect(existsSync(join(folder, 'runner.lock'))).toBe(false);
    expect(plane.handOvers).toMatchObject([{ turn_id: grant.turn_id, epoch: grant.epoch, reason: 'runner_stopped' }]);

    await ready({ HOLDFAST_RUNNER_DIR: join(folder, 'another') });
    const again = await plane.until(() => plane.status(grant) === 'running' && plane.grantOf(grant));
    expect(again).toMatchObject({ turn_id: grant.turn_id, attempt: 2, epoch: grant.epoch + 1 });
    await plane.until(() => plane.text(grant).split('!').length === 3);
    plane.steer(again, '[[say: carried on]]');
    expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(plane.text(grant)).toMatch(/carried on$/);
  });

  it('K5: claims nothing more once it is asked to stop', async () => {
    const runner = await ready();
    const { grant } = await running('[[deaf]][[say:!]][[hang]]');
    await plane.until(() => plane.text(grant).endsWith('!'));
    runner.process.kill('SIGTERM');
    await runner.prints('"stopping"');
    const late = plane.invoke('[[say:late]]');
    await runner.exitCode();
    expect(plane.status(late)).toBe('queued');
  });

  it('is not kept from stopping by an api that is away', async () => {
    const runner = await ready();
    const { child } = await running('[[hang]]');
    await server.close();
    runner.process.kill('SIGTERM');
    expect(await runner.exitCode()).toBe(0);
    expect(runner.output).toContain('"turns_left":1');
    await processIsGone(child);
  });

  it('leaves nobody working when it is killed', async () => {
    const runner = await ready();
    const { child } = await running('[[deaf]][[hang]]');
    await runner.kill();
    await processIsGone(child);
  });

  it('B17: leaves nobody working when it is frozen', async () => {
    plane.terms.beat_seconds = 0.2;
    plane.terms.watchdog_seconds = 2;
    const runner = await ready();
    const { grant, child } = await running('[[hang]]');
    runner.process.kill('SIGSTOP');
    await processIsGone(child);

    plane.fence(grant);
    runner.process.kill('SIGCONT');
    const next = plane.invoke('[[say:next]]');
    expect(await plane.ended(next)).toMatchObject({ status: 'completed' });
    expect(plane.status(grant)).toBe('running');
  });

  it('does not share its folder with another runner', async () => {
    const first = await ready();
    const second = launch();
    expect(await second.exitCode()).toBe(1);
    expect(second.output.trim()).toBe(
      `Another runner (process ${first.process.pid}) works in ${folder}. Give each runner a HOLDFAST_RUNNER_DIR of its own.`,
    );
    await first.kill();
    await ready();
  });

  it.each([
    ['of a process that is gone', JSON.stringify({ pid: 2 ** 22 + 1, startedAt: null })],
    ['whose pid belongs to another process now', JSON.stringify({ pid: process.pid, startedAt: 'another boot:1' })],
    ['that was cut off', '{"pi'],
  ])('takes over a lock %s', async (_, text) => {
    writeFileSync(join(folder, 'runner.lock'), text);
    await ready();
  });
});

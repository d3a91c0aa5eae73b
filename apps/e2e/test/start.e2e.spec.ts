import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HoldfastClient } from '@holdfast/client';
import { eventually } from '@holdfast/testing';
import { isEnd, textOf, type Seen } from './follow.js';
import { isRunning, npmStart, root, type Endpoint } from './npm-start.js';

const API = 'apps/api/dist/main.js';
const WORKERS = 'apps/workers/dist/main.js';
const RUNNER = 'apps/runner/dist/main.js';
const SUPERVISOR = 'tools/start.mjs';

// Not of mkdtemp (mode 700): root's PostgreSQL must reach it.
const folder = path.join(tmpdir(), `holdfast-start-${randomBytes(4).toString('hex')}`);
const home = path.join(folder, 'home');
const starts: ReturnType<typeof npmStart>[] = [];
const newStart = (...args: Parameters<typeof npmStart>) => {
  const start = npmStart(...args);
  starts.push(start);
  return start;
};

jest.setTimeout(90_000);

// One story: each test goes on where the one before it ended, because every start takes seconds.
describe('npm start', () => {
  let start: ReturnType<typeof npmStart>;
  let endpoint: Endpoint;
  let client: HoldfastClient;
  const sessions: string[] = [];
  /** The turn that ran at Ctrl-C. */
  let cutOff: string;

  const begin = async () => {
    start = newStart(home);
    endpoint = await start.ready();
    client = new HoldfastClient(endpoint);
  };
  const send = async (prompt: string) => {
    const session_id = `s-${randomUUID()}`;
    sessions.push(session_id);
    const { turn_id } = await client.invoke({ session_id, prompt, agent: { name: 'scripted' } });
    return { session_id, turn_id };
  };
  const follow = async (session_id: string, isLast: (seen: Seen) => boolean) => {
    const all: Seen[] = [];
    for await (const seen of client.followSession(session_id, { signal: AbortSignal.timeout(20_000) })) {
      all.push(seen);
      if (isLast(seen)) break;
    }
    return all;
  };
  const sendAndFollow = async (prompt: string) => follow((await send(prompt)).session_id, isEnd);
  /** A turn whose agent runs until somebody ends it. */
  const startHanging = async () => {
    const turn = await send('[[say:thinking]] [[hang]]');
    await follow(turn.session_id, ({ event }) => event.type === 'agent.update');
    return turn;
  };
  const knownSessions = async () => {
    const { data } = await client.sessions.querySessions({ SessionQuery: {} });
    return data.map(({ session_id }) => session_id).sort();
  };

  beforeAll(() => {
    mkdirSync(folder);
    return begin();
  });
  afterAll(() => {
    for (const one of starts) one.killAll();
    rmSync(folder, { recursive: true, force: true });
  });

  it('ends its start-up with where Holdfast is, where the key is and what to try', () => {
    const first = start.lines().findIndex((line) => line.startsWith('ready'));
    const [ready, key, next] = start.lines().slice(first);
    expect(ready).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+$/);
    expect(ready).toBe(`ready ${endpoint.url}`);
    const [, keyFile] = key!.match(/^the development key is in (.*)$/)!;
    expect(path.resolve(root, keyFile!)).toBe(path.join(home, 'endpoint.json'));
    expect(next).toMatch(/^try: npx holdfast run ".+"$/);
    expect(start.lines().slice(0, first)).toEqual(
      start
        .lines()
        .slice(0, first)
        .map(() => expect.stringMatching(/^(holdfast|postgres|api|workers|runner) +│ /)),
    );
  });

  it('leaves the address and the keys in a file that only its user may read', async () => {
    expect(statSync(path.join(home, 'endpoint.json')).mode & 0o777).toBe(0o600);
    expect(endpoint).toEqual({
      url: expect.any(String),
      apiKey: expect.stringMatching(/^hf_user_/),
      runnerKey: expect.stringMatching(/^hf_runner_/),
    });
    const seen = await sendAndFollow('[[say:good morning]]');
    expect(seen.at(-1)!.event.type).toBe('turn.completed');
    expect(textOf(seen)).toContain('good morning');
  });

  it.each([
    ['/health/live', '"status":"ok"'],
    ['/health/ready', '"status":"ok"'],
    ['/metrics', '# TYPE process_cpu_seconds_total counter'],
    ['/openapi.json', '"openapi":"3.1'],
  ])('answers at %s', async (route, part) => {
    const response = await fetch(endpoint.url + route);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain(part);
  });

  it('says in one message that a port is taken', async () => {
    const port = Number(new URL(endpoint.url).port);
    const other = newStart(path.join(folder, 'other'), { port });
    expect(await other.ended()).toBe(1);
    expect(other.lines()).toEqual([
      `holdfast │ Port ${port} is taken by another program. Set HOLDFAST_PORT to a free one: HOLDFAST_PORT=${port + 1} npm start`,
    ]);
    expect(other.errors()).not.toMatch(/^ +at /m);
  });

  it('says in one message that another one runs on the same folder, and leaves that one alone', async () => {
    const { pid } = start.process(SUPERVISOR);
    const other = newStart(home);
    expect(await other.ended()).toBe(1);
    expect(other.lines()).toEqual([
      `holdfast │ npm start is already at work on ${home} (process ${pid}). Stop that one, or set HOLDFAST_HOME to another folder.`,
    ]);
    expect(other.errors()).not.toMatch(/^ +at /m);
    expect((await fetch(`${endpoint.url}/health/ready`)).status).toBe(200);
  });

  it('says in one message that the data folder is of another PostgreSQL', async () => {
    const stale = path.join(folder, 'stale');
    const cluster = path.join(stale, 'postgres/cluster');
    mkdirSync(cluster, { recursive: true });
    writeFileSync(path.join(cluster, 'PG_VERSION'), '12\n');
    const other = newStart(stale);
    expect(await other.ended()).toBe(1);
    const about = other.lines().filter((line) => !line.includes('│ buil'));
    expect(about).toEqual([expect.stringMatching(/^holdfast │ .*cluster was made by PostgreSQL 12, and this is/)]);
    expect(other.errors()).not.toMatch(/^ +at /m);
  });

  it('starts a killed api again at the same address, with its sessions', async () => {
    const killed = start.process(API);
    process.kill(killed.pid, 'SIGKILL');
    await eventually(() => expect(start.process(API).pid).not.toBe(killed.pid));
    await eventually(async () => expect((await fetch(`${endpoint.url}/health/ready`)).status).toBe(200));
    const told = start.lines().filter((line) => /^(api|holdfast) +│ .*(ended|again)/.test(line));
    expect(told).toEqual(['api      │ ended with signal SIGKILL; starting it again']);
    expect(await knownSessions()).toEqual([...sessions].sort());
    expect((await sendAndFollow('[[say:still here]]')).at(-1)!.event.type).toBe('turn.completed');
  });

  it('ends at Ctrl-C with everything that it started, and ends nothing else', async () => {
    const lookAlike = ['-e', 'setInterval(() => undefined, 60_000)', API, RUNNER, SUPERVISOR];
    const bystander = spawn(process.execPath, lookAlike, { cwd: root, stdio: 'ignore' });
    ({ turn_id: cutOff } = await startHanging());
    const started = start.processes();
    for (const part of [API, WORKERS, RUNNER, 'scripted-agent', 'bin/postgres']) {
      expect(started).toContainEqual(expect.objectContaining({ command: expect.stringContaining(part) }));
    }

    start.pressCtrlC();
    expect(await start.ended()).toBe(0);
    expect(start.lines().at(-1)).toBe('holdfast │ stopped');
    await eventually(() => expect(started.filter(isRunning)).toEqual([]));
    await expect(fetch(endpoint.url)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    expect([bystander.exitCode, bystander.signalCode]).toEqual([null, null]);
    bystander.kill();
  });

  it('finds its sessions and keys again in a second start', async () => {
    const before = endpoint;
    await begin();
    expect(endpoint).toEqual({ ...before, url: endpoint.url });
    expect(await knownSessions()).toEqual([...sessions].sort());
    expect(textOf(await follow(sessions[0]!, isEnd))).toContain('good morning');
  });

  it('goes on with the turn that this cut off', async () => {
    const { session_id } = await eventually(
      async () => {
        const turn = await client.streams.fetchSessionTurn({ turn_id: cutOff });
        expect(turn).toMatchObject({ status: 'running', attempt: 2 });
        return turn;
      },
      { timeout: 20_000 },
    );
    await client.streams.killSessionStream({ SessionStreamKill: { session_id } });
  });

  it('takes its apps and agents with it when it is killed, and the next start goes on with the data', async () => {
    const before = endpoint;
    await startHanging();
    const started = start.processes();
    const postgres = start.process('bin/postgres -D');
    process.kill(start.process(SUPERVISOR).pid, 'SIGKILL');
    await start.ended();
    await eventually(
      () => {
        const left = started.filter(isRunning).filter(({ command }) => !command.includes('postgres'));
        expect(left).toEqual([]);
      },
      { timeout: 3_000 },
    );

    await begin();
    expect(start.lines()).toContain(
      `postgres │ stopping PostgreSQL (process ${postgres.pid}), which an earlier run left behind`,
    );
    expect(isRunning(postgres)).toBe(false);
    expect(start.lines().join('\n')).not.toContain('starting it again');
    expect(endpoint).toEqual({ ...before, url: endpoint.url });
    expect(await knownSessions()).toEqual([...sessions].sort());
    expect((await sendAndFollow('[[say:good evening]]')).at(-1)!.event.type).toBe('turn.completed');
  });

  it('gives up with one message when an app dies again and again', async () => {
    const started = start.processes();
    let last = 0;
    for (let death = 1; death <= 3; death++) {
      const { pid } = await eventually(() => {
        const workers = start.process(WORKERS);
        if (workers.pid === last) throw new Error('not started again yet');
        return workers;
      });
      process.kill(pid, 'SIGKILL');
      last = pid;
    }
    expect(await start.ended()).toBe(1);
    expect(
      start
        .lines()
        .filter((line) => line.startsWith('holdfast'))
        .at(-1),
    ).toBe('holdfast │ workers ended three times within a minute, last with signal SIGKILL');
    await eventually(() => expect(started.filter(isRunning)).toEqual([]));
  });
});

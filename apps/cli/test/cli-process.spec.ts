import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HoldfastClient } from '@holdfast/client';
import { type ApiProcess, eventually, startApi } from '@holdfast/testing';
import { playRunner, words } from './played-runner.js';

const bin = path.resolve(__dirname, '../bin/holdfast.mjs');

describe('the command line at a real api', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-cli-'));
  let api: ApiProcess;
  let claimTurn: Awaited<ReturnType<typeof playRunner>>;
  beforeAll(async () => {
    api = await startApi();
    claimTurn = await playRunner(api);
    mkdirSync(path.join(folder, '.holdfast'));
    const endpoint = { url: api.url, apiKey: api.api_key };
    writeFileSync(path.join(folder, '.holdfast', 'endpoint.json'), JSON.stringify(endpoint));
  }, 60_000);
  afterAll(async () => {
    await api?.stop();
    rmSync(folder, { recursive: true });
  }, 30_000);

  const start = (...args: string[]) => {
    const env = { PATH: process.env['PATH'], XDG_STATE_HOME: path.join(folder, 'state') };
    const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    child.stderr.on('data', (chunk) => (said.err += chunk));
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }));
    const sees = (text: string) => eventually(() => expect(said.out).toContain(text));
    return { child, ended, sees };
  };
  const run = (...args: string[]) => start(...args).ended;
  const client = () => new HoldfastClient({ url: api.url, apiKey: api.api_key });
  const cursors = () => {
    const kept = path.join(folder, 'state', 'holdfast', 'cursors');
    return readdirSync(kept).map((name) => JSON.parse(readFileSync(path.join(kept, name), 'utf8')) as unknown);
  };

  it('runs a turn, shows it live, and ends when a question was answered from elsewhere', async () => {
    const running = start('run', 'Do something', '--session', 'shown');
    const turn = await claimTurn();
    await turn.append(words('I will '), words('try.'));
    await running.sees('I will try.');
    const interaction_id = await turn.ask('Write a file');
    await running.sees(`holdfast answer ${interaction_id} allow`);
    expect(await run('answer', interaction_id, 'allow', '--message', 'go on')).toEqual({
      code: 0,
      out: 'answered allow in session shown\n',
      err: '',
    });
    await turn.complete('completed');
    expect(await running.ended).toEqual({
      code: 0,
      err: '',
      out: `session shown

> Do something
  agent scripted, revision 1

I will try.

? The agent asks for permission: Write a file
waiting for an answer: holdfast answer ${interaction_id} allow   (or deny, or always)
✓ allowed: go on

✓ completed
`,
    });
  });

  it.each(['SIGINT', 'SIGHUP', 'SIGKILL'] as const)(
    'neither loses nor repeats an event when it ends by %s and is attached again',
    async (signal) => {
      const session_id = `closed-${signal}`;
      const numbers = (from: number) => Array.from({ length: 10 }, (_, index) => words(`<${from + index}>`));
      const first = start('run', 'Count', '--session', session_id);
      const turn = await claimTurn();
      await turn.append(...numbers(0));
      await first.sees('<9>');
      const { tail_offset } = await client().streams.fetchSessionStream({ session_id });
      await eventually(() => expect(cursors()).toContainEqual({ url: api.url, session_id, offset: tail_offset }));
      first.child.kill(signal);
      const left = await first.ended;
      await turn.append(...numbers(10));
      const second = start('attach', session_id);
      await second.sees('<19>');
      await turn.append(...numbers(20));
      await turn.complete('completed');
      const { code, out } = await second.ended;

      const seen = [...`${left.out}${out}`.matchAll(/<(\d+)>/g)].map(([, number]) => Number(number));
      expect(seen).toEqual(Array.from({ length: 30 }, (_, index) => index));
      expect(code).toBe(0);
      if (signal !== 'SIGKILL') {
        expect(left.code).toBe(130);
        expect(left.out).toContain(`holdfast attach ${session_id}`);
      }
      const again = await run('attach', session_id);
      expect(again).toMatchObject({ code: 0, out: expect.stringContaining('nothing is new') });
      expect((await run('attach', session_id, '--from', 'start')).out).toContain('<0><1>');
    },
  );

  it('shows first what came while nobody looked, when a session goes on', async () => {
    expect((await run('run', 'One', '--session', 'goes-on', '--detach')).out).toBe('goes-on\n');
    const first = await claimTurn();
    await first.append(words('unseen'));
    await first.complete('completed');
    const running = start('run', 'Two', '--session', 'goes-on');
    await (await claimTurn()).complete('completed');
    const { out } = await running.ended;
    expect(out.match(/> One|unseen|> Two|✓ completed/g)).toEqual([
      '> One',
      'unseen',
      '✓ completed',
      '> Two',
      '✓ completed',
    ]);
  });

  it('begins a new conversation when it is told to', async () => {
    for (const [session, ...options] of [['goes-on-with'], ['begins-anew', '--fresh']] as const) {
      await run('run', 'One', '--session', session, '--detach', ...options);
      await (await claimTurn()).complete('completed');
    }
    const { data } = await client().streams.querySessionTurns({ SessionTurnQuery: { session_id: 'begins-anew' } });
    expect(data).toMatchObject([{ prompt: 'One', fresh_start: true }]);
    const others = await client().streams.querySessionTurns({ SessionTurnQuery: { session_id: 'goes-on-with' } });
    expect(others.data).toMatchObject([{ fresh_start: false }]);
  });

  it('tells by its exit code how the turn ended', async () => {
    const failing = start('run', 'Fail', '--session', 'failing');
    await (await claimTurn()).complete('failed', { error: { code: 'agent_exited', message: 'It exited.' } });
    expect(await failing.ended).toMatchObject({ code: 1, out: expect.stringContaining('It exited. (agent_exited)') });

    const cancelled = start('run', 'Wait', '--session', 'cancelled');
    const turn = await claimTurn();
    await cancelled.sees('> Wait');
    expect((await run('cancel', 'cancelled')).out).toMatch(/^turn \S+ is stopping\n$/);
    await turn.complete('cancelled');
    expect(await cancelled.ended).toMatchObject({ code: 130, out: expect.stringContaining('✗ cancelled') });
  });

  it('cancels the turn that it is told, and none that took its place', async () => {
    const first = start('run', 'First', '--session', 'named');
    const turn = await claimTurn();
    await first.sees('> First');
    await turn.complete('completed');
    await first.ended;
    const second = start('run', 'Second', '--session', 'named');
    await second.sees('> Second');
    const { out } = await run('cancel', 'named', '--turn', turn.turn_id);
    expect(out).toBe(`turn ${turn.turn_id} is completed\n`);
    await (await claimTurn()).complete('completed');
    expect(await second.ended).toMatchObject({ code: 0 });
  });

  it('lets a prompt wait, shows what waits, and withdraws it', async () => {
    const first = start('run', 'One', '--session', 'busy');
    const turn = await claimTurn();
    await first.sees('> One');
    expect(await run('run', 'Two', '--session', 'busy')).toMatchObject({
      code: 1,
      err: expect.stringContaining('(session_in_use)'),
    });
    const waiting = start('run', 'Two', '--session', 'busy', '--queue');
    await waiting.sees('holdfast inbox busy');
    expect((await run('run', 'Three', '--session', 'busy', '--queue', '--detach')).out).toBe('busy\n');
    const [, two, three] = (await run('inbox', 'busy')).out.trimEnd().split('\n');
    expect([two, three]).toEqual([expect.stringMatching(/^[-0-9a-f]{36} {2}Two$/), expect.stringMatching(/Three$/)]);

    const id = three!.slice(0, 36);
    expect(await run('inbox', 'busy', '--withdraw', id)).toEqual({
      code: 0,
      out: `turn ${id} is withdrawn\n`,
      err: '',
    });
    await turn.complete('completed');
    expect(await first.ended).toMatchObject({ code: 0 });
    const second = await claimTurn();
    await second.append(words('the second'));
    await second.complete('completed');
    const { code, out } = await waiting.ended;
    expect(code).toBe(0);
    expect(out.match(/✓ completed|> Two|the second/g)).toEqual(['✓ completed', '> Two', 'the second', '✓ completed']);
    expect((await run('inbox', 'busy')).out).toBe('Nothing waits.\n');
  });

  it('says so when the prompt that it waits with never runs', async () => {
    await run('run', 'One', '--session', 'taken-out', '--detach');
    const waiting = start('run', 'Two', '--session', 'taken-out', '--queue');
    await waiting.sees('holdfast inbox taken-out');
    await run('kill', 'taken-out');
    expect(await waiting.ended).toMatchObject({
      code: 130,
      out: expect.stringContaining('the prompt never ran: killed'),
    });
  });

  it('puts a prompt in the place of the live turn', async () => {
    const first = start('run', 'One', '--session', 'steered');
    const turn = await claimTurn();
    await first.sees('> One');
    const steering = start('run', 'Instead', '--session', 'steered', '--steer');
    await first.sees('stopping');
    await turn.complete('cancelled');
    expect(await first.ended).toMatchObject({ code: 130, out: expect.stringContaining('✗ superseded') });
    await (await claimTurn()).complete('completed');
    expect(await steering.ended).toMatchObject({ code: 0, out: expect.stringContaining('> Instead') });
  });

  it('archives a session, takes it out again, and deletes it only when it is told twice', async () => {
    await run('run', 'Hang', '--session', 'put-away', '--detach');
    const listed = async (...options: string[]) => (await run('sessions', ...options)).out.includes('put-away');
    expect((await run('archive', 'put-away')).out).toBe('session put-away is archived\n');
    expect([await listed(), await listed('--archived')]).toEqual([false, true]);
    expect((await run('run', 'Go on', '--session', 'put-away', '--detach')).err).toContain('session_archived');
    expect((await run('archive', 'put-away', '--undo')).out).toBe('session put-away is in use again\n');
    expect([await listed(), await listed('--archived')]).toEqual([true, false]);

    expect(await run('delete', 'put-away')).toMatchObject({ code: 1, err: expect.stringContaining('--yes') });
    expect(await listed()).toBe(true);
    expect(await run('delete', 'put-away', '--yes')).toEqual({
      code: 0,
      out: 'session put-away is deleted\n',
      err: '',
    });
    expect(await listed()).toBe(false);
  });

  it('kills what runs and what waits, though no runner answers', async () => {
    const running = start('run', 'Hang', '--session', 'killed');
    await claimTurn();
    await running.sees('> Hang');
    await run('run', 'Next', '--session', 'killed', '--queue', '--detach');
    expect(await run('kill', 'killed')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^turn \S+ is cancelled\nturn \S+ is withdrawn\n$/),
    });
    expect((await running.ended).code).toBe(130);
    expect((await run('kill', 'killed')).out).toBe('nothing ran, and nothing waited\n');
  });

  it.each([
    ['run', ['--queue', '--steer', '--fresh', '--detach']],
    ['kill', ['withdraw what waits']],
    ['inbox', ['--withdraw <turn>']],
  ])('tells with %s --help what there is', async (command, said) => {
    const { code, out } = await run(command, '--help');
    expect(code).toBe(0);
    for (const words of said) expect(out.replace(/\s+/g, ' ')).toContain(words);
  });

  it('lists sessions, as a table and for programs', async () => {
    await client().sessions.createSession({ session_id: 'listed', SessionCreate: { name: 'A name' } });
    expect((await run('sessions')).out).toMatch(/^listed\s+\d{4}-\d\d-\d\d \d\d:\d\d UTC {2}A name$/m);
    const [newest] = (await run('sessions', '--json', '--limit', '1')).out.split('\n');
    expect(JSON.parse(newest as string)).toMatchObject({ session_id: 'listed', name: 'A name' });
  });

  it.each([
    [['attach', 'nobody'], 'error: There is no session "nobody" in this project. (session_not_found)\n'],
    [['transcript', 'nobody'], 'error: There is no session "nobody" in this project. (session_not_found)\n'],
    [
      ['run', 'x', '--agent', 'nobody'],
      'error: There is no agent "nobody" in this project. Set it first. (agent_not_found)\n',
    ],
    [
      ['cancel', 'listed'],
      'error: Session "listed" has no live turn to cancel. Send a prompt to start one. (no_live_turn)\n',
    ],
    [['answer', 'x', 'perhaps'], 'error: "perhaps" is no answer. Say allow, deny, always.\n'],
    [['run', ' '], 'error: The prompt is empty. Say what the agent is to do.\n'],
    [['run', 'x', '--queue', '--steer'], 'error: Say --queue or --steer: a prompt waits, or it does not.\n'],
    [['kill', 'nobody'], 'error: There is no session "nobody" in this project. (session_not_found)\n'],
    [['inbox', 'nobody'], 'error: There is no session "nobody" in this project. (session_not_found)\n'],
  ])('says what is wrong with %j, and nothing else', async (args, err) => {
    expect(await run(...args)).toEqual({ code: 1, out: '', err });
  });

  it('says that nobody answers, and what to do', async () => {
    const { code, err } = await run('--url', 'http://127.0.0.1:9', '--key', 'none', 'sessions');
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error: The connection failed: .*\nIs the api up\? npm start brings it up on this machine\.\n$/,
    );
  });
});

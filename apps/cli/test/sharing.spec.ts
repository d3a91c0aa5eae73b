import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HoldfastClient, Sharer } from '@holdfast/client';
import { type ApiProcess, eventually, startApi } from '@holdfast/testing';

const bin = path.resolve(__dirname, '../bin/holdfast.mjs');
/** Nobody listens there. */
const NOWHERE = 'http://127.0.0.1:9';
const SHARE = '0191d6a0-5d3c-7c3e-9a41-0c2b7f0e9d11';

describe('sharing and watching at a real api', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-cli-sharing-'));
  const started: ChildProcess[] = [];
  let api: ApiProcess;
  let client: HoldfastClient;
  beforeAll(async () => {
    api = await startApi();
    client = new HoldfastClient({ url: api.url, apiKey: api.api_key });
    for (const name of ['own/.holdfast', 'other']) mkdirSync(path.join(folder, name), { recursive: true });
    const endpoint = { url: api.url, apiKey: api.api_key };
    writeFileSync(path.join(folder, 'own', '.holdfast', 'endpoint.json'), JSON.stringify(endpoint));
    await client.sessions.createSession({ session_id: 'kitchen', SessionCreate: {} });
    await client.tasks.createSessionTask({ SessionTaskCreate: { session_id: 'kitchen', name: 'Cook' } });
  }, 60_000);
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL');
    await api?.stop();
    rmSync(folder, { recursive: true });
  }, 30_000);

  const start = (where: 'own' | 'other', ...args: string[]) => {
    const env = { PATH: process.env['PATH'], XDG_STATE_HOME: path.join(folder, 'state') };
    const cwd = path.join(folder, where);
    const child = spawn(process.execPath, [bin, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    started.push(child);
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    child.stderr.on('data', (chunk) => (said.err += chunk));
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }));
    return { child, ended, sees: (text: string) => eventually(() => expect(said.out).toContain(text)) };
  };
  const run = (where: 'own' | 'other', ...args: string[]) => start(where, ...args).ended;
  const sharer = () => new Sharer({ client, session_id: 'kitchen' });
  const present = async () => {
    const SessionParticipantQuery = { session_id: 'kitchen' };
    const { data } = await client.participants.querySessionParticipants({ SessionParticipantQuery });
    return data.map(({ name }) => name);
  };

  it('says what is wrong with a link', async () => {
    const { link } = await sharer().share();
    const [address] = link.split('#');
    expect(await run('other', 'watch', address!)).toMatchObject({
      code: 1,
      err: expect.stringContaining('not a whole link'),
    });
    for (const command of ['watch', 'tasks']) {
      expect(await run('other', command, `${address}#hf_share_${'0'.repeat(16)}_${'0'.repeat(64)}`)).toMatchObject({
        code: 1,
        err: expect.stringContaining('This link opens nothing'),
      });
    }
  });

  it('says so when the link was replaced while it is watched', async () => {
    const own = sharer();
    const { link } = await own.share();
    const watching = start('other', 'watch', link, '--name', 'Replaced');
    await eventually(async () => expect(await present()).toContain('Replaced'));
    await own.rotate();
    expect(await watching.ended).toMatchObject({ code: 1, err: expect.stringContaining('This link opens nothing') });
  });

  it.each([
    [['--tree'], 'Cook'],
    [['--agent', 'Nobody'], 'no agent is called Nobody yet'],
  ])('leaves at Ctrl-C, so that nobody is shown who has gone: watch %s', async (options, shown) => {
    const { link } = await sharer().share({ scope: 'tree' });
    const name = `Guest of ${options.join(' ')}`;
    const watching = start('other', 'watch', link, '--name', name, ...options);
    await watching.sees(shown);
    expect(await present()).toContain(name);
    watching.child.kill('SIGINT');
    const { code, out, err } = await watching.ended;
    expect({ code, err }).toEqual({ code: 130, err: '' });
    expect(out).not.toContain('has ended');
    expect(await present()).not.toContain(name);
  });

  it('says that it tries again while nothing answers, and can be left', async () => {
    const watching = start('other', 'watch', `${NOWHERE}/s/${SHARE}#hf_share_a_b`);
    await watching.sees('trying again');
    watching.child.kill('SIGINT');
    expect(await watching.ended).toMatchObject({ code: 130, err: '' });
  });

  it('tells a session without agents from one that is not there', async () => {
    await client.sessions.createSession({ session_id: 'alone', SessionCreate: {} });
    expect(await run('own', 'tasks', 'alone')).toMatchObject({ code: 0, out: expect.stringContaining('No agent') });
    expect(await run('own', 'tasks', 'nowhere')).toMatchObject({
      code: 1,
      err: expect.stringContaining('session_not_found'),
    });
  });
});

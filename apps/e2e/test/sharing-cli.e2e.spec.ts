import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import type { SessionTask } from '@holdfast/client';
import { eventually } from '@holdfast/testing';
import { startStack, type Stack } from './stack.js';

/** A turn that says a little and ends. */
const SHORT = '[[stream:3:1]]';
const bin = path.resolve(import.meta.dirname, '../../cli/bin/holdfast.mjs');

describe('sharing from the command line', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);
  const running = new Set<ChildProcess>();
  afterEach(() => {
    for (const child of running) child.kill('SIGKILL');
  });

  /** The command line of somebody with these variables, where nobody sits at a terminal. */
  const start = (env: Record<string, string>, ...args: string[]) => {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: stack.folder,
      env: { PATH: process.env['PATH'], HOME: stack.folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    child.stderr.on('data', (chunk) => (said.err += chunk));
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }));
    const sees = (text: string | RegExp) => eventually(() => expect(said.out).toMatch(text), { timeout: 40_000 });
    return { child, ended, sees, said };
  };
  const owner = () => ({ HOLDFAST_URL: stack.url, HOLDFAST_API_KEY: stack.keys.api_key });
  const asOwner = (...args: string[]) => start(owner(), ...args);
  /** Somebody who has nothing but what is given to them. */
  const asGuest = (...args: string[]) => start({}, ...args);
  const run = async (...args: string[]) => {
    const { code, out, err } = await asOwner(...args).ended;
    if (code !== 0) throw new Error(`exit code ${code}: ${out}${err}`);
    return out.trim();
  };

  const newSession = async () => {
    const session_id = `s-${randomUUID()}`;
    await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
    return session_id;
  };
  const newTask = (create: Parameters<Stack['client']['tasks']['createSessionTask']>[0]['SessionTaskCreate']) =>
    stack.client.tasks.createSessionTask({ SessionTaskCreate: create });
  const newTree = async () => {
    const session_id = await newSession();
    const root = await newTask({ session_id, name: 'Conductor' });
    const scout = await newAgent(root, 'Scout');
    return { session_id, root, scout };
  };
  const newAgent = async (parent: SessionTask, name: string) =>
    newTask({ parent_task_id: parent.task_id, name, session_id: await newSession() });

  it('shows a session to somebody who has only the link, until it is revoked', async () => {
    const session_id = await newSession();
    const link = await run('share', session_id, '--name', 'for a friend', '--expires', '1h');
    expect(link).toMatch(new RegExp(`^${stack.url}/s/[0-9a-f-]{36}#hf_share_`));
    const guest = asGuest('watch', link);
    await stack.client.invoke({ session_id, prompt: `${SHORT} Say hello.` });
    await guest.sees('Say hello.');
    await guest.sees('✓ completed');

    const listed = await run('share', session_id, '--list');
    expect(listed).toMatch(/SHARE +SCOPE +ROLE +UNTIL +NAME\n\S+ +session +reader +\S+ \S+ UTC +for a friend/);
    const share_id = /\/s\/([0-9a-f-]+)#/.exec(link)![1]!;
    expect(await run('share', session_id, '--revoke', share_id)).toContain(`share ${share_id} has ended`);
    const { code, out } = await guest.ended;
    expect(out).toContain('it has ended: revoked');
    expect(code).toBe(0);
    expect(await run('share', session_id, '--list')).toBe('Nobody may look in.');
  }, 120_000);

  it('Q63 shows what the agents of a tree are at, by name, and their messages', async () => {
    const { session_id, root, scout } = await newTree();
    const link = await run('share', session_id, '--tree');
    const guest = asGuest('watch', link, '--tree');
    await guest.sees('Conductor  ▸ queued');
    await guest.sees('Scout  ▸ queued');
    await newAgent(root, 'Latecomer');
    await guest.sees('Latecomer  ▸ queued');
    await stack.client.invoke({ session_id: scout.session_id!, prompt: `${SHORT} Look around.` });
    await guest.sees('Scout  ✓ succeeded');
    guest.child.kill('SIGINT');
    expect((await guest.ended).code).toBe(130);
  }, 120_000);

  it('shows the one agent that is named, as soon as it is there', async () => {
    const { session_id, root, scout } = await newTree();
    const guest = asOwner('watch', session_id, '--agent', 'Builder');
    await stack.client.invoke({ session_id: scout.session_id!, prompt: `${SHORT} Not this one.` });
    const builder = await newAgent(root, 'Builder');
    await stack.client.invoke({ session_id: builder.session_id!, prompt: `${SHORT} Build it.` });
    await guest.sees('Build it.');
    await guest.sees('✓ completed');
    guest.child.kill('SIGINT');
    const { code, out } = await guest.ended;
    expect(code).toBe(130);
    expect(out).not.toContain('Not this one.');
  }, 120_000);

  it('prints a tree as it is, as text and as JSON, by the id of the session or by a link, and then what changes', async () => {
    const { session_id, scout } = await newTree();
    const text = await run('tasks', session_id);
    expect(text).toMatch(/▸ queued +Conductor \(in_progress\) +s-/);
    expect(text).toMatch(/▸ queued + {2}Scout +s-/);
    expect(text).toContain('2 agents: 2 queued');
    const link = await run('share', session_id, '--tree');
    expect((await asGuest('tasks', link).ended).out.trim()).toBe(text);
    const json = (await run('tasks', session_id, '--json')).split('\n').map((line) => JSON.parse(line) as SessionTask);
    expect(json.map(({ name, depth }) => `${depth} ${name}`)).toEqual(['0 Conductor', '1 Scout']);

    const following = asGuest('tasks', link, '--follow');
    await following.sees('2 agents: 2 queued');
    await stack.client.invoke({ session_id: scout.session_id!, prompt: `${SHORT} Look around.` });
    await following.sees('Scout  ✓ succeeded');
    following.child.kill('SIGINT');
    expect((await following.ended).code).toBe(130);
  }, 120_000);

  it('says what is wrong', async () => {
    const alone = await newSession();
    expect(await run('tasks', alone)).toBe('No agent of a tree runs in this session.');
    expect(await asOwner('watch', 'nobody').ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('(session_not_found)'),
    });
    expect(await asGuest('watch', alone).ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('No Holdfast api'),
    });
    expect(await asOwner('share', alone, '--expires', 'soon').ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('It must be a time such as'),
    });
    expect(await asOwner('share', alone, '--role', 'king').ended).toMatchObject({ code: 1 });
    const ended = await run('share', alone, '--expires', '1s');
    await eventually(async () =>
      expect(await asGuest('watch', ended).ended).toMatchObject({
        code: 0,
        out: expect.stringContaining('it has ended: expired'),
      }),
    );
  }, 120_000);
});

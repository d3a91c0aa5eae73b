import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync } from 'node:fs';
import path from 'node:path';
import { HoldfastClient } from '@holdfast/client';
import { eventually, startApi, type ApiProcess } from '@holdfast/testing';
import { Machine } from './machine.js';
import { startSlowContent } from './slow-content.js';
import { installOpencode, promptsOf, writeOpencode } from './played-opencode.js';
import { playRunner } from './played-runner.js';

jest.setTimeout(120_000);

/** A conversation as one of the programs keeps it on a machine. */
interface Conversation {
  harness: string;
  native_id: string;
  /** Its own file, relative to the home. */
  main: (machine: Machine) => string;
  /** Of its own file. */
  line: (machine: Machine, text: string) => string;
  /** Puts the first turn on the machine, with what lies beside the file. */
  begin: (machine: Machine) => void;
}

const encoded = (folder: string) => folder.replace(/[^A-Za-z0-9]/g, '-');

function claude(root = '.claude'): Conversation {
  const native_id = randomUUID();
  const folder = (machine: Machine) => path.join(root, 'projects', encoded(machine.cwd));
  const line = ({ cwd }: Machine, text: string) => {
    const message = { role: 'user', content: text };
    const uuid = randomUUID();
    const timestamp = '2026-01-15T08:00:00.000Z';
    return `${JSON.stringify({ type: 'user', uuid, sessionId: native_id, timestamp, cwd, version: '2.1.329', message })}\n`;
  };
  return {
    harness: 'claude',
    native_id,
    main: (machine) => path.join(folder(machine), `${native_id}.jsonl`),
    line,
    begin(machine) {
      const output = path.join(folder(machine), native_id, 'tool-results', 'out.txt');
      machine.write(output, 'a long output');
      const lines = [line(machine, 'one'), line(machine, `its output is in ${machine.path(output)}`)];
      machine.write(path.join(folder(machine), `${native_id}.jsonl`), lines.join(''));
    },
  };
}

function codex(root = '.codex'): Conversation {
  const native_id = `019bc0ab-2410-7c3e-8f21-${randomUUID().slice(24)}`;
  const main = path.join(root, `sessions/2026/01/15/rollout-2026-01-15T08-00-00-${native_id}.jsonl`);
  const line = (_: Machine, text: string) => {
    const payload = { type: 'message', role: 'user', content: [{ type: 'input_text', text }] };
    return `${JSON.stringify({ timestamp: '2026-01-15T08:00:01Z', type: 'response_item', payload })}\n`;
  };
  return {
    harness: 'codex',
    native_id,
    main: () => main,
    line,
    begin(machine) {
      const payload = { id: native_id, session_id: native_id, timestamp: '2026-01-15T08:00:00Z', cwd: machine.cwd };
      const meta = { type: 'session_meta', payload: { ...payload, originator: 'codex_exec', cli_version: '0.169.0' } };
      machine.write(main, `${JSON.stringify(meta)}\n${line(machine, 'one')}`);
    },
  };
}

describe('holdfast push and pull at a real api', () => {
  let api: ApiProcess;
  let claimTurn: Awaited<ReturnType<typeof playRunner>>;
  const machines: Machine[] = [];
  beforeAll(async () => {
    api = await startApi();
    claimTurn = await playRunner(api);
  }, 120_000);
  afterAll(async () => {
    for (const machine of machines) machine.remove();
    await api?.stop();
  }, 60_000);

  const machine = (options: ConstructorParameters<typeof Machine>[1] = {}, key = api.api_key) => {
    const made = new Machine({ url: api.url, key }, options);
    machines.push(made);
    return made;
  };
  const client = () => new HoldfastClient({ url: api.url, apiKey: api.api_key });
  const newSession = () => `s-${randomUUID()}`;
  const pushOf = ({ harness, native_id }: Pick<Conversation, 'harness' | 'native_id'>, session: string) => [
    'push',
    '--harness',
    harness,
    '--native-id',
    native_id,
    '--session',
    session,
  ];
  const versions = async (conversation_id: unknown) => {
    const query = { conversation_id: conversation_id as string };
    const { data } = await client().nativeTranscripts.querySessionNativeVersions({ SessionNativeVersionQuery: query });
    return data;
  };
  /** A conversation with its first turn on a machine, and pushed from there. */
  const pushed = async (of: () => Conversation = claude) => {
    const [a, session, conversation] = [machine(), newSession(), of()];
    conversation.begin(a);
    const first = await a.json(...pushOf(conversation, session));
    expect(first).toMatchObject({ exit: 0, result: 'created' });
    return { a, session, conversation, first };
  };
  const grow = (on: Machine, conversation: Conversation, text: string) => {
    const line = conversation.line(on, text);
    on.append(conversation.main(on), line);
    return line;
  };

  describe.each([
    ['claude', claude],
    ['codex', codex],
  ])('of %s', (_, of) => {
    it('push makes the session, and a second push says that nothing is new', async () => {
      const { a, session, conversation, first } = await pushed(of);
      const { harness, native_id } = conversation;
      expect(first).toMatchObject({ session_id: session, harness, native_id, version: 1, is_main_branch: true });
      expect(await a.json(...pushOf(conversation, session))).toEqual({
        ...first,
        result: 'up_to_date',
        sent_lines: 0,
        sent_bytes: 0,
      });
      expect((await a.run(...pushOf(conversation, session))).out).toMatch(/^nothing is new: .* in version 1\n$/);
      expect(await versions(first['conversation_id'])).toHaveLength(1);
      expect(await client().sessions.fetchSession({ session_id: session })).toMatchObject({ session_id: session });
    });

    it('push after growth moves the new lines only, however long the past is', async () => {
      const { a, session, conversation } = await pushed(of);
      for (let n = 0; n < 200; n++) grow(a, conversation, 'x'.repeat(5_000));
      await a.json(...pushOf(conversation, session));
      const line = grow(a, conversation, 'the last one');
      const push = await a.json(...pushOf(conversation, session));
      expect(push).toMatchObject({ exit: 0, result: 'updated', version: 3, sent_lines: 1, sent_bytes: line.length });
      const [newest] = await versions(push['conversation_id']);
      expect(newest).toMatchObject({ version: 3, added_bytes: line.length, save_point: 'push' });
    });

    it('pull writes the conversation for another home and folder, whose copy then has nothing new', async () => {
      const { a, session, conversation } = await pushed(of);
      const b = machine({ cwd: "other/it's my work" });
      const pull = await b.json('pull', session);
      const { harness, native_id } = conversation;
      expect(pull).toMatchObject({
        exit: 0,
        result: 'written',
        harness,
        native_id,
        version: 1,
        cwd: b.cwd,
        kept: null,
      });
      expect(pull['resume_command']).toContain(`cd '${b.cwd.replace("'", `'\\''`)}' && ${harness} `);
      expect(pull['resume_command']).toContain(native_id);
      const here = a.read(conversation.main(a)).replaceAll(encoded(a.cwd), encoded(b.cwd)).replaceAll(a.home, b.home);
      const said = (text: string) => text.split('\n').map((line) => line.replace(/"cwd":"[^"]*"/, ''));
      expect(said(b.read(conversation.main(b)))).toEqual(said(here));

      expect(await b.json(...pushOf(conversation, session))).toMatchObject({ result: 'up_to_date', sent_bytes: 0 });
      expect(await b.json('pull', session)).toMatchObject({ exit: 0, result: 'up_to_date', files: [] });
    });

    it('goes to and fro between machines as one line of versions', async () => {
      const { a, session, conversation } = await pushed(of);
      const b = machine({ cwd: 'elsewhere' });
      await b.json('pull', session);
      const line = grow(b, conversation, 'of B');
      expect(await b.json(...pushOf(conversation, session))).toMatchObject({
        result: 'updated',
        sent_bytes: line.length,
      });

      // What A has is stale, and all of it is stored.
      const behind = await a.run(...pushOf(conversation, session));
      expect(behind).toMatchObject({ code: 0, out: expect.stringContaining(`holdfast pull ${session}`) });
      expect(await a.json('pull', session)).toMatchObject({ result: 'written', version: 2, kept: null });
      expect(a.read(conversation.main(a))).toContain('of B');
      grow(a, conversation, 'of A again');
      expect(await a.json(...pushOf(conversation, session))).toMatchObject({ result: 'updated', version: 3 });
      expect(await b.json('pull', session)).toMatchObject({ result: 'written', version: 3 });
      expect(await b.json(...pushOf(conversation, session))).toMatchObject({ result: 'up_to_date' });
    });

    it('push of another past makes a branch that is said, once, and goes on with it', async () => {
      const { a, session, conversation, first } = await pushed(of);
      const b = machine();
      await b.json('pull', session);
      grow(a, conversation, 'of A');
      grow(b, conversation, 'of B');
      const goesOn = `run "…" --session ${session} --agent ${conversation.harness}`;
      expect((await a.run(...pushOf(conversation, session))).out).toContain(goesOn);
      const said = await b.run(...pushOf(conversation, session));
      expect(said).toMatchObject({ code: 0, out: expect.stringContaining('nothing was merged') });
      const again = await b.json(...pushOf(conversation, session));
      expect(again).toMatchObject({ result: 'up_to_date', is_main_branch: false, version: 3, sent_bytes: 0 });
      expect(again['branch_id']).not.toBe(first['branch_id']);
      expect(said.out).toContain(again['branch_id']);

      const line = grow(b, conversation, 'more of B');
      const { branch_id, conversation_id } = again;
      const more = { result: 'updated', branch_id, is_main_branch: false, version: 4, sent_bytes: line.length };
      expect(await b.json(...pushOf(conversation, session))).toMatchObject(more);
      expect(await versions(conversation_id)).toHaveLength(4);
      expect(await a.json(...pushOf(conversation, session))).toMatchObject({
        result: 'up_to_date',
        is_main_branch: true,
      });
    });

    it('pull --branch writes a branch, and what replaces a copy that is stored loses nothing', async () => {
      const { a, session, conversation } = await pushed(of);
      const b = machine();
      await b.json('pull', session);
      grow(a, conversation, 'of A');
      grow(b, conversation, 'of B');
      await a.json(...pushOf(conversation, session));
      const { branch_id } = await b.json(...pushOf(conversation, session));

      const c = machine();
      const branch = (branch_id as string).slice(0, 8);
      expect(await c.json('pull', session, '--branch', branch)).toMatchObject({
        result: 'written',
        branch_id,
        version: 3,
      });
      expect(c.read(conversation.main(c))).toContain('of B');
      expect(await c.json(...pushOf(conversation, session))).toMatchObject({ result: 'up_to_date', branch_id });

      expect(await b.json('pull', session)).toMatchObject({ result: 'written', version: 2, kept: null });
      expect(b.read(conversation.main(b))).not.toContain('of B');
      expect(await b.json('pull', session, '--version', '1')).toMatchObject({
        result: 'written',
        version: 1,
        kept: null,
      });
      const wrong = await b.run('pull', session, '--branch', 'zzz');
      expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining(branch_id as string) });
    });

    it('pull never overwrites a copy that is ahead', async () => {
      const { a, session, conversation } = await pushed(of);
      grow(a, conversation, 'not stored yet');
      const before = a.read(conversation.main(a));
      expect(await a.json('pull', session)).toMatchObject({ exit: 0, result: 'ahead', version: 1, files: [] });
      expect((await a.run('pull', session)).out).toContain(`holdfast ${pushOf(conversation, session).join(' ')} `);
      expect(a.read(conversation.main(a))).toBe(before);
    });

    it('pull refuses to overwrite a copy that went another way, until that was pushed', async () => {
      const { a, session, conversation } = await pushed(of);
      const b = machine();
      await b.json('pull', session);
      grow(a, conversation, 'of A');
      grow(b, conversation, 'of B');
      await a.json(...pushOf(conversation, session));
      const before = b.read(conversation.main(b));
      expect(await b.json('pull', session)).toMatchObject({ exit: 1, result: 'failed', code: 'local_copy_diverged' });
      expect((await b.run('pull', session)).err).toContain(`holdfast ${pushOf(conversation, session).join(' ')}\n`);
      expect(b.read(conversation.main(b))).toBe(before);

      await b.json(...pushOf(conversation, session));
      expect(await b.json('pull', session)).toMatchObject({ result: 'written', version: 2, kept: null });
      expect(b.read(conversation.main(b))).toContain('of A');
    });

    it('pull --overwrite keeps what was here, so that it can be put back', async () => {
      const { a, session, conversation } = await pushed(of);
      const b = machine();
      await b.json('pull', session);
      grow(a, conversation, 'of A');
      grow(b, conversation, 'of B');
      await a.json(...pushOf(conversation, session));
      const before = b.read(conversation.main(b));
      const pull = await b.json('pull', session, '--overwrite');
      expect(pull).toMatchObject({ exit: 0, result: 'written', version: 2 });
      expect(b.read(conversation.main(b))).toContain('of A');
      const kept = path.relative(b.home, pull['kept'] as string);
      const [folder] = conversation.main(b).split(path.sep);
      expect(b.read(path.join(kept, path.relative(folder!, conversation.main(b))))).toBe(before);
      expect(await b.json(...pushOf(conversation, session))).toMatchObject({
        result: 'up_to_date',
        is_main_branch: true,
      });
    });

    it('push shows the newest conversations of the folder when it is not told which one', async () => {
      const { a, session, conversation } = await pushed(of);
      const incomplete = await a.run('push', '--harness', conversation.harness, '--session', session);
      expect(incomplete).toMatchObject({ code: 2, out: '', err: expect.stringContaining(conversation.native_id) });
      const elsewhere = ['--cwd', path.dirname(a.cwd)];
      const none = await a.run('push', '--harness', conversation.harness, '--session', session, ...elsewhere);
      expect(none).toMatchObject({ code: 2, err: expect.not.stringContaining(conversation.native_id) });
    });
  });

  it.each([
    ['CLAUDE_CONFIG_DIR', claude('conf'), 'conf'],
    ['CODEX_HOME', codex('conf'), 'conf'],
  ])('conversations are where %s says', async (variable, conversation, root) => {
    const a = machine({ variables: { [variable]: `HOME/${root}` } });
    const b = machine({ variables: { [variable]: `HOME/${root}` } });
    const session = newSession();
    conversation.begin(a);
    expect(await a.json(...pushOf(conversation, session))).toMatchObject({ exit: 0, result: 'created' });
    expect(await b.json('pull', session)).toMatchObject({ exit: 0, result: 'written' });
    expect(existsSync(b.path(conversation.main(b)))).toBe(true);
    expect(b.files('.').every((file) => file.startsWith(root))).toBe(true);
  });

  describe('of opencode, whose store its own commands open', () => {
    const onPath = { variables: { PATH: `HOME/bin${path.delimiter}${process.env['PATH']}` } };
    const withOpencode = () => {
      const made = machine(onPath);
      installOpencode(made);
      return made;
    };
    const opencode = () => ({ harness: 'opencode', native_id: `ses_${randomUUID().replaceAll('-', '')}` });

    it('goes to and fro between machines, and an import mixes no two pasts', async () => {
      const [a, b, session, conversation] = [withOpencode(), withOpencode(), newSession(), opencode()];
      const { native_id } = conversation;
      const push = (on: Machine) => on.json(...pushOf(conversation, session));
      writeOpencode(a, native_id, ['one']);
      expect(await push(a)).toMatchObject({ exit: 0, result: 'created', sent_lines: 1 });
      expect(await push(a)).toMatchObject({ result: 'up_to_date', sent_bytes: 0 });
      const pull = await b.json('pull', session);
      expect(pull).toMatchObject({ exit: 0, result: 'written', files: [] });
      expect(pull['resume_command']).toContain(`opencode --session ${native_id}`);
      expect(promptsOf(b, native_id)).toEqual(['one']);
      expect(await push(b)).toMatchObject({ result: 'up_to_date' });

      writeOpencode(a, native_id, ['one', 'two of A']);
      writeOpencode(b, native_id, ['one', 'two of B']);
      expect(await push(a)).toMatchObject({ result: 'updated', sent_lines: 1 });
      expect(await b.json('pull', session)).toMatchObject({ exit: 1, code: 'local_copy_diverged' });
      expect(promptsOf(b, native_id)).toEqual(['one', 'two of B']);
      const overwritten = await b.json('pull', session, '--overwrite');
      expect(overwritten).toMatchObject({ exit: 0, result: 'written' });
      expect(promptsOf(b, native_id)).toEqual(['one', 'two of A']);
      const kept = path.relative(b.home, overwritten['kept'] as string);
      expect(b.read(path.join(kept, native_id, 'import.json'))).toContain('two of B');
    });

    it('says so where the program is not installed, or fails', async () => {
      const [a, session, conversation] = [machine(onPath), newSession(), opencode()];
      const missing = await a.run(...pushOf(conversation, session));
      expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('"opencode" is not on this machine') });
      a.write('bin/opencode', '#!/bin/sh\necho "database is locked" >&2\nexit 1\n');
      chmodSync(a.path('bin/opencode'), 0o755);
      const failing = await a.run(...pushOf(conversation, session));
      expect(failing).toMatchObject({ code: 1, err: expect.stringContaining('database is locked') });
      installOpencode(a);
      const unknown = await a.run(...pushOf(conversation, session));
      expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining('has no conversation') });
    });
  });

  it('what lies beside a conversation comes along, and paths to it are those of the new home', async () => {
    const { session, conversation } = await pushed();
    const b = machine({ cwd: 'elsewhere' });
    const pull = await b.json('pull', session);
    const output = path.join(path.dirname(conversation.main(b)), conversation.native_id, 'tool-results', 'out.txt');
    expect(b.read(output)).toBe('a long output');
    expect(b.read(conversation.main(b))).toContain(b.path(output));
    expect(pull['files']).toContainEqual({ name: 'tool-results/out.txt', path: b.path(output) });

    const more = output.replace('out.txt', 'more.txt');
    b.write(more, 'another output');
    expect(await b.json(...pushOf(conversation, session))).toMatchObject({
      result: 'updated',
      sent_lines: 0,
      sent_bytes: 'another output'.length,
    });
    expect(await b.json('pull', session, '--version', '1')).toMatchObject({
      result: 'written',
      version: 1,
      kept: null,
    });
    expect([existsSync(b.path(output)), existsSync(b.path(more))]).toEqual([true, false]);
  });

  it('push is refused while a turn is live, and says so', async () => {
    const { a, session, conversation } = await pushed();
    await a.run('run', 'Go on', '--session', session, '--detach');
    const turn = await claimTurn();
    grow(a, conversation, 'meanwhile');
    const refused = await a.run(...pushOf(conversation, session));
    expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining('(session_in_use)') });
    expect(refused.err).toContain(`holdfast attach ${session}`);
    expect(await a.json(...pushOf(conversation, session))).toMatchObject({ exit: 1, code: 'session_in_use' });
    await turn.complete('completed');
    expect(await a.json(...pushOf(conversation, session))).toMatchObject({ exit: 0, result: 'updated' });
  });

  it('pull of a session without a conversation fails, and says what to do', async () => {
    const a = machine();
    expect(await a.run('pull', 'nobody')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/\(resume_state_missing\)\n.*"nobody"(.|\n)*holdfast sessions/),
    });
    expect(await a.json('pull', 'nobody')).toMatchObject({ exit: 1, result: 'failed', code: 'resume_state_missing' });
  });

  it('a conversation of another program than was asked for is refused, both ways', async () => {
    const { a, session, conversation } = await pushed();
    expect(await a.json('pull', session, '--harness', 'codex')).toMatchObject({ exit: 1, code: 'harness_mismatch' });
    const push = await a.run(...pushOf({ ...conversation, harness: 'codex' }, session));
    expect(push).toMatchObject({ code: 1, err: expect.stringContaining('--harness claude') });
    expect((await a.run('push', '--harness', 'emacs', '--session', session)).err).toContain('codex, claude, gemini');
  });

  it.each([
    ['is not here', randomUUID(), 'there is no conversation'],
    ['is none', '../../etc/passwd', 'is no id of a conversation of claude'],
  ])('push of a conversation that %s fails, and sends nothing', async (_, native_id, message) => {
    const a = machine();
    const session = newSession();
    const { code, err, out } = await a.run(
      'push',
      '--harness',
      'claude',
      '--native-id',
      native_id,
      '--session',
      session,
    );
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(message);
    await expect(client().sessions.fetchSession({ session_id: session })).rejects.toMatchObject({ status: 404 });
  });

  it('who may not run sessions can neither push nor pull', async () => {
    const { session } = await pushed();
    const other = machine({}, api.runner_key);
    const conversation = claude();
    conversation.begin(other);
    for (const args of [pushOf(conversation, session), ['pull', session]]) {
      const { exit, result, message } = await other.json(...args);
      expect({ exit, result }).toEqual({ exit: 1, result: 'failed' });
      expect(message).not.toBe('');
    }
    expect(other.files('.')).toEqual([conversation.main(other), expect.any(String)].sort());
  });

  it('an api that is away is said, and changes nothing here', async () => {
    const { session, conversation } = await pushed();
    const away = new Machine({ url: 'http://127.0.0.1:9', key: 'none' });
    machines.push(away);
    conversation.begin(away);
    const before = away.read(conversation.main(away));
    for (const args of [pushOf(conversation, session), ['pull', session]]) {
      expect(await away.run(...args)).toMatchObject({ code: 1, err: expect.stringContaining('Is the api up?') });
      expect(await away.json(...args)).toMatchObject({ exit: 1, code: 'connection_failed' });
    }
    expect(away.read(conversation.main(away))).toBe(before);
  });

  it('who stops reading its output neither stops a transfer nor hides its failure', async () => {
    const { a, session, conversation } = await pushed();
    const closed = async (...args: string[]) => {
      const { child, ended } = a.start(...args);
      child.stdout.destroy();
      child.stderr.destroy();
      return (await ended).code;
    };
    grow(a, conversation, 'nobody reads about this');
    expect(await closed(...pushOf(conversation, session))).toBe(0);
    expect(await a.json(...pushOf(conversation, session))).toMatchObject({ result: 'up_to_date', version: 2 });
    expect(await closed('pull', 'nobody', '--json')).toBe(1);
  });

  it('pull that is interrupted says how far it was, and leaves nothing behind', async () => {
    const { session } = await pushed(codex);
    const slow = await startSlowContent(api.url);
    const b = new Machine({ url: slow.url, key: api.api_key });
    machines.push(b);
    const { child, ended } = b.start('pull', session, '--json');
    await eventually(() => expect(b.files('.')).toEqual([expect.stringContaining('.tmp')]), { timeout: 30_000 });
    const progress = once(child.stderr, 'data');
    expect(String((await progress)[0])).toMatch(/^received .* of .* so far\n$/);
    child.kill('SIGINT');
    const { code, out } = await ended;
    expect([code, JSON.parse(out)]).toEqual([130, expect.objectContaining({ result: 'failed' })]);
    expect(b.files('.')).toEqual([]);

    const cut = b.start('pull', session, '--json');
    await eventually(() => expect(b.files('.')).toEqual([expect.stringContaining('.tmp')]), { timeout: 30_000 });
    await slow.stop();
    expect(await cut.ended).toMatchObject({ code: 1, out: expect.stringContaining('connection_failed') });
    expect(b.files('.')).toEqual([]);
  });

  it('pull into a folder that is not there writes nothing', async () => {
    const { session } = await pushed();
    const b = machine();
    const { code, err } = await b.run('pull', session, '--cwd', 'nowhere');
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(path.join(b.cwd, 'nowhere')) });
    expect(b.files('.')).toEqual([]);
  });

  it.each([
    ['push', ['--native-id', 'Only what is new is sent', 'CODEX_HOME', 'holdfast push --harness codex']],
    ['pull', ['--branch', '--overwrite', 'Nothing is overwritten', 'holdfast pull kitchen --branch']],
  ])('%s --help teaches it', async (command, said) => {
    const { code, out } = await machine().run(command, '--help');
    expect(code).toBe(0);
    for (const words of said) expect(out).toContain(words);
  });
});

import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionTurnGrant } from '@holdfast/client';
import { ControlPlaneRefusal, ControlPlaneUnavailable, StaleEpoch } from '../src/control-plane.js';
import { MemoryControlPlane } from './memory-control-plane.js';
import { TurnBench } from './turn-bench.js';

const session_id = 'a-conversation';

/** Two machines that host turns of one session, one after the other. */
describe('what the agents of a session said before', () => {
  let plane: MemoryControlPlane;
  let benches: TurnBench[];
  let here: TurnBench;

  beforeEach(() => {
    plane = new MemoryControlPlane();
    benches = [];
    here = machine();
  });

  afterEach(async () => {
    for (const bench of benches) await bench.close();
  });

  function machine(options: ConstructorParameters<typeof TurnBench>[0] = {}): TurnBench {
    const bench = new TurnBench({ plane, captureEveryMs: 50, ...options });
    benches.push(bench);
    return bench;
  }

  const store = () => plane.transcripts(session_id);
  const codes = (grant: SessionTurnGrant) =>
    plane
      .events(grant)
      .flatMap(({ type, turn_id, data }) => (type === 'agent.notice' && turn_id === grant.turn_id ? [data.code] : []));
  const said = (grant: SessionTurnGrant) =>
    plane
      .events(grant)
      .filter(({ type, turn_id }) => type === 'agent.update' && turn_id === grant.turn_id)
      .map(({ data }) => (data.content as { text?: string } | undefined)?.text ?? '')
      .join('');
  const nativeIdOf = (grant: SessionTurnGrant) =>
    plane.beats.flatMap(({ turns }) => turns).findLast(({ turn_id }) => turn_id === grant.turn_id)?.agent_session_id ??
    '';
  const fileOf = (bench: TurnBench, nativeId: string) =>
    join(bench.folder, 'sessions', session_id, '.scripted-agent', `${nativeId}.jsonl`);
  const linesOf = (file: string) => readFileSync(file, 'utf8').trimEnd().split('\n');

  const resuming = (nativeId: string, fields: Partial<SessionTurnGrant> = {}) => ({
    session_id,
    resume_agent_session_id: nativeId,
    resume_conversation: { harness: 'scripted', native_id: nativeId, agent_name: 'scripted' },
    ...fields,
  });

  /** A turn to its end. Answers the id of its conversation. */
  async function turn(bench: TurnBench, prompt: string, nativeId?: string): Promise<string> {
    const grant = bench.start(prompt, nativeId === undefined ? { session_id } : resuming(nativeId));
    expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
    return nativeIdOf(grant);
  }

  /** All prompts that an agent knows of, in order, told by one on that machine. */
  async function known(bench: TurnBench, nativeId: string): Promise<string> {
    const grant = bench.start('[[recall]]', resuming(nativeId));
    expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
    return said(grant);
  }

  it('is saved at the end of each turn, before the turn ends, and only what is new', async () => {
    let savedWhenEnding = '';
    plane.beforeComplete = () =>
      void (savedWhenEnding = store()
        .conversations.map(({ native_id }) => store().text(native_id, 'main.jsonl'))
        .join());
    const calm = machine({ captureEveryMs: 3_600_000 });
    const first = calm.start('[[listen]]', { session_id });
    await plane.until(() => store().conversations.length === 1);
    plane.steer(first, '[[say:one]]');
    await plane.ended(first);
    const nativeId = nativeIdOf(first);
    expect(savedWhenEnding).toBe(readFileSync(fileOf(calm, nativeId), 'utf8'));
    expect(store().of(nativeId)).toMatchObject({ harness: 'scripted', native_id: nativeId });
    expect(
      store()
        .of(nativeId)!
        .versions.map(({ point }) => point),
    ).toEqual(['periodic', 'turn_end']);

    const before = store().of(nativeId)!.versions.at(-1)!.files[0]!.chunks;
    await turn(calm, '[[say:two]]', nativeId);
    const after = store().of(nativeId)!.versions.at(-1)!.files[0]!.chunks;
    expect(after.slice(0, before.length)).toEqual(before);
    expect(store().branches(nativeId)).toBe(1);
  });

  it('is saved while a turn runs', async () => {
    const grant = here.start('[[say:begun]][[hang]]', { session_id });
    await plane.until(() => store().conversations[0]?.versions.some(({ files }) => files[0]!.lines === 2));
    expect(store().conversations[0]!.versions.map(({ point }) => point)).toEqual(
      store().conversations[0]!.versions.map(() => 'periodic'),
    );
    plane.cancel(grant);
    await plane.ended(grant);
  });

  it('is known to the next agent on another machine, under the same id, and back again', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    rmSync(join(here.folder, 'sessions'), { recursive: true });
    const there = machine();
    expect(await turn(there, 'second [[say:two]]', nativeId)).toBe(nativeId);
    rmSync(join(there.folder, 'sessions'), { recursive: true });
    expect(await known(machine(), nativeId)).toBe('1. first [[say:one]]\n2. second [[say:two]]\n');
    expect(store().branches(nativeId)).toBe(1);
  });

  it('is brought up to date in a home that is behind', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    await turn(machine(), 'second [[say:two]]', nativeId);
    expect(await known(here, nativeId)).toBe('1. first [[say:one]]\n2. second [[say:two]]\n');
    expect(store().branches(nativeId)).toBe(1);
  });

  it('stays as it is in a home that is ahead, and is saved from there', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    writeFileSync(fileOf(here, nativeId), '{"prompt":"unsaved"}\n', { flag: 'a' });
    expect(await known(here, nativeId)).toBe('1. first [[say:one]]\n2. unsaved\n');
    expect(store().text(nativeId, 'main.jsonl')).toContain('unsaved');
    expect(store().branches(nativeId)).toBe(1);
  });

  it('is saved as a branch where a home has it otherwise, and the agent goes on with what was stored', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    writeFileSync(fileOf(here, nativeId), '{"prompt":"only here"}\n', { flag: 'a' });
    await turn(machine(), 'second [[say:two]]', nativeId);
    expect(await known(here, nativeId)).toBe('1. first [[say:one]]\n2. second [[say:two]]\n');

    expect(store().branches(nativeId)).toBe(2);
    const { main, versions } = store().of(nativeId)!;
    const branch = versions.find(({ branch_id }) => branch_id !== main);
    expect(branch?.files[0]!.lines).toBe(4);
    expect(store().text(nativeId, 'main.jsonl')).not.toContain('only here');
  });

  it('is looked at again where what is stored moves on while it is saved as a branch', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    const there = machine();
    await turn(there, 'second [[say:two]]', nativeId);
    appendFileSync(fileOf(here, nativeId), `${linesOf(fileOf(here, nativeId)).at(-1)}\n`);
    let saves = 0;
    store().beforeSave = () => {
      saves += 1;
      if (saves === 1) throw new ControlPlaneRefusal(412, 'version_conflict', 'moved');
    };
    expect(await known(here, nativeId)).toBe('1. first [[say:one]]\n2. second [[say:two]]\n');
    expect(saves).toBeGreaterThan(1);
  });

  it('goes on with what an agent made of its own past while its turn ran', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    const running = here.start('second [[say:!]][[listen]]', resuming(nativeId));
    await plane.until(() => store().text(nativeId, 'main.jsonl').includes('second'));
    const [head] = linesOf(fileOf(here, nativeId));
    writeFileSync(fileOf(here, nativeId), `${head}\n{"prompt":"in short"}\n`);
    plane.steer(running, '[[say:go on]]');
    expect(await plane.ended(running)).toMatchObject({ status: 'completed' });
    expect(await known(machine(), nativeId)).toBe('1. in short\n');
  });

  it('is known after the machine was lost in the middle of a turn', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    const lost = here.start('second [[say:!]][[hang]]', resuming(nativeId));
    await plane.until(() => store().text(nativeId, 'main.jsonl').includes('second'));
    plane.fence(lost);
    expect(await known(machine(), nativeId)).toBe('1. first [[say:one]]\n2. second [[say:!]][[hang]]\n');
  });

  it('is saved before a turn is handed over, and the next runner goes on with it', async () => {
    const calm = machine({ captureEveryMs: 3_600_000 });
    const handed = calm.start('first [[say:!]][[listen]]', { session_id });
    await plane.until(() => store().conversations.length === 1 && said(handed).endsWith('!'));
    const nativeId = nativeIdOf(handed);
    let savedWhenHandedOver = '';
    plane.beforeHandOver = () => void (savedWhenHandedOver = store().text(nativeId, 'main.jsonl'));
    await calm.turns.drain();
    expect(savedWhenHandedOver).toBe(readFileSync(fileOf(calm, nativeId), 'utf8'));
    expect(
      store()
        .of(nativeId)!
        .versions.map(({ point }) => point),
    ).toEqual(['periodic', 'hand_over']);
    expect(await known(machine(), nativeId)).toBe('1. first [[say:!]][[listen]]\n');
  });

  it('is not brought to an agent that is to start afresh', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    const grant = here.start('[[recall]]', { session_id });
    await plane.ended(grant);
    expect(said(grant)).toBe('No earlier prompts in this session.\n');
    expect(nativeIdOf(grant)).not.toBe(nativeId);
    expect(store().conversations).toHaveLength(2);
  });

  it('is waited for while the api is away, and saved once where an answer is lost', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    let [finds, saves] = [0, 0];
    store().beforeFind = () => {
      finds += 1;
      if (finds < 3) throw new ControlPlaneUnavailable('restarting');
    };
    store().beforeSave = () => {
      saves += 1;
      if (saves < 3) throw new ControlPlaneUnavailable('restarting');
    };
    store().afterSave = () => {
      if (saves === 3) throw new ControlPlaneUnavailable('lost on the way back');
    };
    expect(await known(machine(), nativeId)).toBe('1. first [[say:one]]\n');
    expect(
      store()
        .text(nativeId, 'main.jsonl')
        .split('\n')
        .filter((line) => line.includes('recall')),
    ).toHaveLength(1);
    expect(store().branches(nativeId)).toBe(1);
  });

  it('is downloaded again when the connection breaks, and refused when it breaks each time', async () => {
    const nativeId = await turn(here, 'first [[say:one]]');
    store().breaksAfter = 10;
    const grant = machine().start('[[recall]]', resuming(nativeId));
    expect(await plane.ended(grant)).toMatchObject({ status: 'failed', error: { code: 'conversation_load_failed' } });
  });

  describe('that cannot be had ends the turn before its agent starts', () => {
    const other = '00000000-0000-4000-8000-000000000000';

    it.each([
      ['nothing is stored and nothing is here', 'resume_state_missing', () => undefined],
      [
        'it is of another harness',
        'harness_mismatch',
        () => void store().put('codex', other, 'main.jsonl', ['{}'], { home: '/', root: '/', cwd: '/' }),
      ],
      [
        'its content is damaged',
        'conversation_load_failed',
        () => {
          store().put('scripted', other, 'main.jsonl', ['{}'], { home: '/', root: '/', cwd: '/' });
          store().damage();
        },
      ],
      [
        'the api cannot read it',
        'conversation_load_failed',
        () => {
          store().beforeFind = () => {
            throw new ControlPlaneRefusal(422, 'conversation_load_failed', 'A part of it is lost.');
          };
        },
      ],
      [
        'what is here and nowhere else is too large to be kept aside',
        'transcript_too_large',
        () => {
          const origin = { home: '/', root: '/', cwd: '/' };
          store().put('scripted', other, 'main.jsonl', ['{"session_id":"x"}', '{"prompt":"there"}'], origin);
          store().beforeSave = () => {
            throw new ControlPlaneRefusal(413, 'transcript_too_large', 'It may have 512 MiB.');
          };
        },
      ],
    ])('%s: %s', async (_, code, given) => {
      given();
      if (code === 'transcript_too_large') {
        // The session's folder is there once an agent has worked in it.
        await turn(here, '[[say:x]]').catch(() => undefined);
        writeFileSync(fileOf(here, other), '{"prompt":"here"}\n');
      }
      const grant = here.start('[[recall]]', resuming(other));
      expect(await plane.ended(grant)).toMatchObject({ status: 'failed', error: { code } });
      expect(said(grant)).toBe('');
      expect(nativeIdOf(grant)).toBe('');
    });

    it('is cancelled while it is waited for', async () => {
      store().beforeFind = () => {
        throw new ControlPlaneUnavailable('away');
      };
      const grant = here.start('[[recall]]', resuming(other));
      plane.cancel(grant);
      expect(await plane.ended(grant)).toMatchObject({ status: 'cancelled' });
    });
  });

  describe('that is not taken', () => {
    it('is told in the log, once, and the turn goes on', async () => {
      store().beforeSave = () => {
        throw new ControlPlaneRefusal(413, 'transcript_too_large', 'It may have 512 MiB.');
      };
      const grant = here.start('[[say:one]][[stream:10:20]]', { session_id });
      expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
      expect(codes(grant)).toEqual(['conversation_not_saved']);
      const notice = plane.events(grant).find(({ type }) => type === 'agent.notice');
      expect(notice?.data).toMatchObject({
        reason: 'transcript_too_large',
        message: expect.stringContaining('512 MiB'),
      });
    });

    it('does not hold up the end of the turn for ever', async () => {
      store().beforeSave = () => {
        throw new ControlPlaneUnavailable('the store is away');
      };
      const grant = machine({ lastCaptureMs: 200 }).start('[[say:one]]', { session_id });
      expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
      expect(codes(grant)).toEqual(['conversation_not_saved']);
    });

    it('does not hold up the end of a turn that is to stop', async () => {
      const hurried = machine({ lastCaptureMs: 3_600_000, hurriedCaptureMs: 200 });
      const grant = hurried.start('[[say:one]][[hang]]', { session_id });
      await plane.until(() => said(grant) !== '');
      store().beforeSave = () => {
        throw new ControlPlaneUnavailable('the store is away');
      };
      plane.cancel(grant);
      expect(await plane.ended(grant)).toMatchObject({ status: 'cancelled' });
      expect(codes(grant)).toEqual(['conversation_not_saved']);
    });

    it("is given up in silence where the turn is not this runner's any more", async () => {
      const points: string[] = [];
      const grant = here.start('[[say:one]][[hang]]', { session_id });
      await plane.until(() => store().conversations.length === 1);
      store().beforeSave = ({ point }) => {
        points.push(point);
        throw new StaleEpoch('the epoch has moved');
      };
      const [host] = here.turns.all;
      plane.fence(grant);
      await here.beatNow();
      await host!.finished;
      expect(points).not.toContain('turn_end');
      expect(codes(grant)).toEqual([]);
    });

    it('is taken again on top of what another save has stored meanwhile', async () => {
      const nativeId = await turn(here, 'first [[say:one]]');
      let isFirst = true;
      store().beforeSave = ({ base }) => {
        if (!isFirst || !base) return;
        isFirst = false;
        throw new ControlPlaneRefusal(412, 'version_conflict', 'moved');
      };
      // What it is put on top of is asked for again, also while the api is away.
      let isAway = true;
      store().beforeFind = () => {
        if (isFirst || !isAway) return;
        isAway = false;
        throw new ControlPlaneUnavailable('restarting');
      };
      expect(await known(here, nativeId)).toBe('1. first [[say:one]]\n');
      expect(store().text(nativeId, 'main.jsonl')).toContain('recall');
    });
  });

  describe('to an agent of another harness', () => {
    const codex = { harness: 'codex', native_id: 'rollout-1', agent_name: 'coder' };
    const crossing = { session_id, resume_conversation: codex, resume_agent_session_id: null };

    it('is carried over as a conversation of its own, and the log tells what could not be', async () => {
      const made = '00000000-0000-4000-8000-00000000000a';
      const lines = ['{"session_id":"x"}', '{"prompt":"said to codex"}'];
      const { conversation_id } = store().put('scripted', made, 'main.jsonl', lines, {
        home: '/',
        root: '/',
        cwd: '/',
      });
      const omitted = [{ record_id: 'r1', type: 'thought', reason: 'It has no place.' }];
      store().conversion = () => ({ conversation_id, native_id: made, omitted });
      const grant = here.start('[[recall]]', crossing);
      expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
      expect(said(grant)).toBe('1. said to codex\n');
      expect(nativeIdOf(grant)).toBe(made);
      const notice = plane.events(grant).find(({ type }) => type === 'agent.notice');
      expect(notice?.data).toMatchObject({ code: 'conversation_converted', omitted });
    });

    it('comes before the prompt where nothing can be written for it', async () => {
      store().conversion = () => ({ resumption_prompt: 'EARLIER', omitted: [] });
      const grant = here.start('[[say:one]]', crossing);
      expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
      expect(JSON.parse(linesOf(fileOf(here, nativeIdOf(grant)))[1]!)).toEqual({ prompt: 'EARLIER\n\n[[say:one]]' });
      expect(codes(grant)).toEqual(['conversation_converted']);
    });

    it('ends the turn where there is nothing to carry over', async () => {
      const grant = here.start('[[recall]]', crossing);
      const error = { code: 'resume_state_missing', message: 'No records.' };
      expect(await plane.ended(grant)).toMatchObject({ status: 'failed', error });
      expect(existsSync(join(here.folder, 'sessions', session_id, '.scripted-agent'))).toBe(false);
    });
  });
});

import type { SessionKey } from '@holdfast/platform-postgres';
import type { RunnerReplica } from '../src/control/runner-replicas.repository.js';
import { savedConversations, startStreams, type Streams } from './streams-fixture.js';

const unlimited = new AbortController().signal;

describe('the conversation that a claimed turn goes on with', () => {
  let streams: Streams;
  let session: SessionKey;
  let runner: RunnerReplica;
  beforeAll(async () => {
    streams = await startStreams();
  });
  afterAll(() => streams.stop());
  beforeEach(async () => {
    session = await streams.openSession();
    runner = await streams.registerReplica(session.project_id);
  });

  async function claim(target: Parameters<Streams['startTurn']>[3] = {}, agent = 'scripted') {
    await streams.startTurn(session, 'hello', agent, target);
    return claimAgain();
  }

  async function claimAgain() {
    const [claimed] = await streams.claims.claim(runner, 1, 5, unlimited);
    return claimed!;
  }

  type Claimed = Awaited<ReturnType<typeof claim>>;

  async function run({ turn, epoch }: Claimed, agent_session_id: string) {
    const { session_id, turn_id } = turn;
    await streams.beats.beat(runner, [{ session_id, turn_id, epoch, status: 'running', agent_session_id }]);
  }

  /** A turn from its start to its end, whose agent told that id of its conversation. */
  async function whole(agent_session_id: string, ...start: Parameters<typeof claim>) {
    const claimed = await claim(...start);
    await run(claimed, agent_session_id);
    await end(claimed);
    return claimed;
  }

  async function end(claimed: Claimed) {
    await streams.unitOfWork.run(async (tx) => {
      const fence = { ...session, turn_id: claimed.turn.turn_id, epoch: claimed.epoch };
      const { turn } = await streams.turns.lockForEnd(tx, fence);
      await streams.turns.end(tx, turn, { status: 'completed', stop_reason: null, usage: null, error: null });
    });
  }

  function save(native_id: string, harness: string, updated_at = new Date()) {
    savedConversations.set(session.session_id, { harness, native_id, updated_at });
  }

  it('is none in the first turn', async () => {
    expect(await claim()).toMatchObject({ resume_conversation: null, resume_agent_session_id: null });
  });

  it('is that of the turn before, whichever agent of its harness had it', async () => {
    await whole('native-1');
    expect(await claim({}, 'another')).toMatchObject({
      resume_conversation: { harness: 'scripted', native_id: 'native-1', agent_name: 'scripted' },
      resume_agent_session_id: 'native-1',
    });
  });

  it('G3: is not that of a turn that never told of one, but of the one before', async () => {
    await whole('native-1');
    await end(await claim());
    expect((await claim()).resume_conversation).toMatchObject({ native_id: 'native-1' });
  });

  it('is that of the turn before also where its harness is another one, which only newer runners are told of', async () => {
    await whole('native-1', { harness: 'codex' }, 'coder');
    expect(await claim({ harness: 'claude' })).toMatchObject({
      resume_conversation: { harness: 'codex', native_id: 'native-1', agent_name: 'coder' },
      resume_agent_session_id: null,
    });
  });

  it.each(['acp', 'push'])('is not of the same program where another agent of harness %s had it', async (harness) => {
    await whole('native-1', { harness }, 'one');
    expect(await claim({ harness }, 'two')).toMatchObject({
      resume_conversation: { harness, native_id: 'native-1', agent_name: 'one' },
      resume_agent_session_id: null,
    });
  });

  it('is the saved one where that was written to last', async () => {
    await whole('native-1');
    save('pushed', 'codex', new Date(Date.now() + 60_000));
    expect((await claim()).resume_conversation).toEqual({ harness: 'codex', native_id: 'pushed', agent_name: null });
  });

  it('is that of the turn before where it began after anything was saved', async () => {
    save('saved', 'codex', new Date(Date.now() - 60_000));
    await whole('native-1');
    expect((await claim()).resume_conversation).toMatchObject({ native_id: 'native-1', agent_name: 'scripted' });
  });

  it('is none when the turn is to start afresh', async () => {
    await whole('native-1');
    save('native-1', 'scripted');
    expect(await claim({ fresh_start: true })).toMatchObject({
      turn: { fresh_start: true },
      resume_conversation: null,
      resume_agent_session_id: null,
    });
  });

  it('is, in a further attempt at a turn, what the one before it saved, also of a turn that started afresh', async () => {
    await whole('native-1');
    const first = await claim({ fresh_start: true });
    await run(first, 'native-2');
    await handOver(first);
    expect((await streams.repository.turn(session.project_id, first.turn.turn_id))!.agent_session_id).toBe('native-2');
    save('native-2', 'scripted');
    expect((await claimAgain()).resume_conversation).toMatchObject({ native_id: 'native-2' });
  });

  it('is, in a further attempt at a turn, that of the turn before where nothing was saved', async () => {
    await whole('native-1');
    const first = await claim();
    await run(first, 'native-2');
    await handOver(first);
    expect((await claimAgain()).resume_conversation).toMatchObject({ native_id: 'native-1' });
  });

  async function handOver({ turn, epoch }: Claimed) {
    const fence = { ...session, turn_id: turn.turn_id, epoch };
    await streams.unitOfWork.run((tx) => streams.handOver.handOver(tx, fence, 'runner_stopped'));
  }
});

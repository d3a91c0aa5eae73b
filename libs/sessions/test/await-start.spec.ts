import type { SessionStreamInvoke, SessionTurnComplete } from '@holdfast/sessions-streams';
import { AwaitStartFlow, CompleteTurnFlow, HandOverTurnFlow } from '../src/index.js';
import { startFlows, unlimited, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

describe('the answer to a detached invoke', () => {
  let flows: Flows;
  let other: Flows;
  let project: Project;
  let sessions = 0;
  beforeAll(async () => {
    flows = await startFlows();
    other = await startFlows({}, { url: flows.url });
  });
  afterAll(async () => {
    await other.stop();
    await flows.stop();
  });
  // Each in its own, so that a claim takes the one turn that there is.
  beforeEach(async () => {
    project = await flows.newProject();
  });

  const newId = () => `s-${(sessions += 1)}`;
  const command = (session_id: string, more: Partial<SessionStreamInvoke> = {}): SessionStreamInvoke => ({
    session_id,
    prompt: 'hello',
    detached: true,
    ...more,
  });
  const invoke = async (asked: SessionStreamInvoke, key?: string, signal = unlimited) => {
    const session = { project_id: project.project_id, session_id: asked.session_id };
    const invoked = await project.invoke(asked, key);
    return flows.app.get(AwaitStartFlow).run(session, invoked, asked, signal);
  };
  const LONG = { start_within_ms: 30_000 };

  it('is that it is starting or running, as soon as a runner has it, whichever process that came to', async () => {
    const session_id = newId();
    const answer = invoke(command(session_id, LONG));
    const owned = await project.claim(session_id);
    expect(await answer).toMatchObject({ mode: 'send', turn_id: owned.turn_id, status: 'starting', watcher_id: null });

    const elsewhere = other.app.get(AwaitStartFlow);
    const again = newId();
    const asked = command(again, LONG);
    const invoked = await project.invoke(asked);
    const there = elsewhere.run({ project_id: project.project_id, session_id: again }, invoked, asked, unlimited);
    await project.run(await project.claim(again));
    expect(['starting', 'running']).toContain((await there).status);
  });

  it('is that it is queued when nobody took it in time, and then it stays in line', async () => {
    const session_id = newId();
    const answer = await invoke(command(session_id, { start_within_ms: 50 }));
    expect(answer.status).toBe('queued');
    expect((await project.claim(session_id)).turn_id).toBe(answer.turn_id);
  });

  it('is that it waits in the inbox when the turn before it does not end in time', async () => {
    const session_id = newId();
    await project.send(session_id);
    const answer = await invoke(command(session_id, { on_busy: 'queue', start_within_ms: 50 }));
    expect(answer).toMatchObject({ mode: 'queue', status: 'inbox' });
  });

  it('is not_started when nobody took it in time and it was to be withdrawn: it never runs', async () => {
    const session_id = newId();
    const withdraw = { start_within_ms: 0, if_not_started: 'withdraw' } as const;
    const refusal = await invoke(command(session_id, withdraw)).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: 'not_started',
      kind: 'unavailable',
      members: { turn_id: expect.any(String), retry_after_seconds: expect.any(Number) },
    });
    expect(await project.claimAll()).toEqual([]);
    const { turn_id } = (refusal as { members: { turn_id: string } }).members;
    expect(await project.turn(turn_id)).toMatchObject({ status: 'cancelled', stop_reason: 'not_started' });
    // The session is free for the next one.
    await expect(project.send(session_id)).resolves.toEqual(expect.any(String));
  });

  it('is not_started for a turn that a runner gave back before it began, and withdrawn at the deadline', async () => {
    const session_id = newId();
    const asked = command(session_id, { start_within_ms: 50, if_not_started: 'withdraw' });
    const { turn_id } = await project.invoke(asked, session_id);
    const { epoch } = await project.claim(session_id);
    await flows.app.get(HandOverTurnFlow).run(project.project_id, { session_id, turn_id, epoch, reason: 'drain' });
    await expect(invoke(asked, session_id)).rejects.toMatchObject({ code: 'not_started' });
    await expect(invoke(asked, session_id)).rejects.toMatchObject({ code: 'not_started' });
    expect(await project.turn(turn_id)).toMatchObject({ status: 'cancelled', stop_reason: 'not_started' });
  });

  it('is not_started for a prompt that only waited, too', async () => {
    const session_id = newId();
    const live = await project.send(session_id);
    const asked = command(session_id, { on_busy: 'queue', start_within_ms: 0, if_not_started: 'withdraw' });
    await expect(invoke(asked)).rejects.toMatchObject({ code: 'not_started' });
    expect(await project.inbox(session_id)).toEqual([]);
    expect((await project.turn(live)).status).toBe('queued');
  });

  it('is true of a withdrawal and a claim at the same time: one of both happened', async () => {
    for (let round = 0; round < 10; round++) {
      project = await flows.newProject();
      const session_id = newId();
      const asked = command(session_id, { start_within_ms: 0, if_not_started: 'withdraw' });
      const [answer, claimed] = await Promise.all([
        invoke(asked).then(
          ({ status }) => status,
          (error: { code: string }) => error.code,
        ),
        project.claimAll(),
      ]);
      const later = claimed.length ? claimed : await project.claimAll();
      expect([answer, later.length]).toEqual(answer === 'not_started' ? ['not_started', 0] : ['starting', 1]);
    }
  });

  it('comes at once when whoever asked goes away or the process does', async () => {
    const session_id = newId();
    expect((await invoke(command(session_id, LONG), undefined, AbortSignal.abort())).status).toBe('queued');
  });

  it('is the state of the turn by now when the request is repeated under its key: it never starts a second one', async () => {
    const session_id = newId();
    const asked = command(session_id, { start_within_ms: 0 });
    const first = await invoke(asked, 'once');
    expect(first.status).toBe('queued');
    const owned = await project.claim(session_id);
    expect(await invoke(asked, 'once')).toEqual({ ...first, status: 'starting' });
    await project.complete(owned);
    expect(await invoke(asked, 'once')).toEqual({ ...first, status: 'completed' });
    expect((await project.types(session_id)).filter((type) => type === 'turn.queued')).toHaveLength(1);
  });

  it('is not_started again when that request is repeated: what was withdrawn stays withdrawn', async () => {
    const session_id = newId();
    const asked = command(session_id, { start_within_ms: 0, if_not_started: 'withdraw' });
    await expect(invoke(asked, 'once')).rejects.toMatchObject({ code: 'not_started' });
    await expect(invoke(asked, 'once')).rejects.toMatchObject({ code: 'not_started' });
    expect((await project.types(session_id)).filter((type) => type === 'turn.queued')).toHaveLength(1);
  });

  it('is how the turn ended when whoever ran it says not_started: it did run', async () => {
    type End = Pick<SessionTurnComplete, 'status' | 'stop_reason' | 'error'>;
    const end = (how: End) => (turn: OwnedTurn) =>
      flows.app.get(CompleteTurnFlow).run(project.project_id, { ...turn, ...how });
    const error = { code: 'not_started', message: 'I was not ready.' };
    for (const [status, complete] of [
      ['cancelled', end({ status: 'cancelled', stop_reason: 'not_started' })],
      ['failed', end({ status: 'failed', error })],
    ] as const) {
      const session_id = newId();
      const asked = command(session_id, { start_within_ms: 0 });
      await invoke(asked, session_id);
      await complete(await project.claim(session_id));
      expect(await invoke(asked, session_id)).toMatchObject({ status });
    }
  });

  it('says with not_started what happened, and that the same key would be answered so again', async () => {
    const asked = command(newId(), { start_within_ms: 0, if_not_started: 'withdraw' });
    await expect(invoke(asked)).rejects.toMatchObject({
      message: expect.stringMatching(/nobody took it in time\. Send it again under a new Idempotency-Key\.$/) as string,
    });
  });

  it('names the offset from which on the events of the turn follow', async () => {
    const session_id = newId();
    await project.complete(await project.send(session_id).then(() => project.claim(session_id)));
    const before = await project.events(session_id);
    const { offset, turn_id } = await invoke(command(session_id, { start_within_ms: 0 }));
    const position = Number(offset.split('_')[1]);
    expect(position).toBe(before.length);
    expect((await project.events(session_id))[position]).toMatchObject({ type: 'turn.queued', turn_id });
  });
});

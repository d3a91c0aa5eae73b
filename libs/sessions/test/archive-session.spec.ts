import { SessionsDirectoryReader } from '@holdfast/sessions-directory';
import { ArchiveSessionFlow, CreateSessionFlow, SaveNativeFlow } from '../src/index.js';
import { startFlows, type Flows, type Project } from './flows-fixture.js';

describe('an archived session', () => {
  let flows: Flows;
  let project: Project;
  let sessions = 0;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newId = () => `archived-${(sessions += 1)}`;
  const archive = (session_id: string) => flows.app.get(ArchiveSessionFlow).archive(project.principal, session_id);
  const unarchive = (session_id: string) => flows.app.get(ArchiveSessionFlow).unarchive(project.principal, session_id);
  const running = async (session_id: string) => {
    await project.send(session_id);
    const turn = await project.claim(session_id);
    await project.run(turn);
    return turn;
  };

  it('has nothing live: its turn is ended and its runner told, and what waited is withdrawn', async () => {
    const session_id = newId();
    const live = await running(session_id);
    await project.ask(live);
    const waiting = await project.send(session_id, { on_busy: 'queue' });

    expect(await archive(session_id)).toMatchObject({
      session_id,
      archived_at: expect.any(String),
      archived_by_id: project.principal.key_id,
    });

    const ended = { status: 'cancelled', stop_reason: 'archived' };
    expect(await project.turn(live.turn_id)).toMatchObject(ended);
    expect(await project.turn(waiting)).toMatchObject(ended);
    expect((await project.commands()).filter(({ turn_id }) => turn_id === live.turn_id)).toEqual([
      expect.objectContaining({ type: 'kill', epoch: live.epoch }),
    ]);
    expect((await project.types(session_id)).slice(-4)).toEqual([
      'turn.cancelled',
      'interaction.cancelled',
      'turn.cancelled',
      'session.archived',
    ]);
    expect((await project.events(session_id)).at(-1)!.data).toEqual({
      turn_id: live.turn_id,
      withdrawn_turn_ids: [waiting],
      by_id: project.principal.key_id,
    });
    await expect(project.complete(live)).rejects.toMatchObject({ code: 'stale_epoch' });
  });

  it.each([
    ['sent', {}],
    ['queued', { on_busy: 'queue' as const }],
    ['steered', { force: true }],
    ['offered to the live turn', { force: true, delivery: 'in_turn' as const }],
  ])('refuses a prompt that is %s, with session_archived', async (_, command) => {
    const session_id = newId();
    await running(session_id);
    await archive(session_id);
    await expect(project.send(session_id, command)).rejects.toMatchObject({
      code: 'session_archived',
      kind: 'conflict',
    });
    expect(await project.inbox(session_id)).toEqual([]);
  });

  it('takes no push of a conversation', async () => {
    const session_id = newId();
    await project.send(session_id);
    await archive(session_id);
    const origin = { home: '/home/me', root: '/home/me/.claude', cwd: '/work' };
    const native_id = '5f2b8c1e-0f6a-4c55-9d3e-6c1d5a1f8e22';
    const push = flows.app
      .get(SaveNativeFlow)
      .open(project.principal, { session_id, harness: 'claude', native_id, origin }, { create: true });
    await expect(push).rejects.toMatchObject({ code: 'session_archived' });
  });

  it('is read as before, and a PUT of it gives it as it is', async () => {
    const session_id = newId();
    const turn_id = await project.send(session_id);
    const archived = await archive(session_id);
    const session = { project_id: project.project_id, session_id };
    expect(await flows.app.get(SessionsDirectoryReader).fetchSession(session)).toEqual(archived);
    expect(await project.turn(turn_id)).toMatchObject({ prompt: 'hello' });
    expect(await project.types(session_id)).toContain('turn.queued');
    expect(await flows.app.get(CreateSessionFlow).run(session, {}, project.principal.key_id)).toEqual({
      session: archived,
      created: false,
    });
  });

  it('takes prompts again once it is unarchived, and goes on where it was', async () => {
    const session_id = newId();
    await running(session_id);
    await archive(session_id);
    expect(await unarchive(session_id)).toMatchObject({ archived_at: null, archived_by_id: null });
    const next = await project.send(session_id);
    expect(await project.turn(next)).toMatchObject({ status: 'queued', turn_index: 1 });
    expect((await project.types(session_id)).slice(-2)).toEqual(['session.unarchived', 'turn.queued']);
  });

  it('changes nothing when it is archived or unarchived again', async () => {
    const session_id = newId();
    await project.send(session_id);
    const archived = await archive(session_id);
    const before = await project.events(session_id);
    expect(await archive(session_id)).toEqual(archived);
    expect(await project.events(session_id)).toEqual(before);
    const unarchived = await unarchive(session_id);
    expect(await unarchive(session_id)).toEqual(unarchived);
    expect(await project.types(session_id)).toHaveLength(before.length + 1);
  });

  it('is nothing that another project could archive, or that does not exist', async () => {
    const session_id = newId();
    await project.send(session_id);
    const stranger = await flows.newProject();
    for (const change of ['archive', 'unarchive'] as const) {
      const attempt = flows.app.get(ArchiveSessionFlow)[change](stranger.principal, session_id);
      await expect(attempt).rejects.toMatchObject({ code: 'session_not_found' });
      await expect(flows.app.get(ArchiveSessionFlow)[change](project.principal, newId())).rejects.toMatchObject({
        code: 'session_not_found',
      });
    }
    expect((await project.stream(session_id)).status).toBe('queued');
  });

  it('of an archive and a prompt either may come first: no turn is live in an archived session', async () => {
    for (let round = 0; round < 10; round++) {
      const session_id = newId();
      await project.send(session_id);
      await project.cancel(session_id);
      await Promise.allSettled([
        project.send(session_id),
        archive(session_id),
        project.send(session_id, { on_busy: 'queue' }),
      ]);
      expect(await project.stream(session_id)).toMatchObject({ status: 'idle', inbox_length: 0 });
    }
  });
});

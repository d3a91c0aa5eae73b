import { randomUUID } from 'node:crypto';
import { startFlows, type Flows, type Project } from './flows-fixture.js';

describe('a command that was refused under an Idempotency-Key', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newSession = () => `s-${randomUUID()}`;

  it('never takes effect later: a try that arrives late is answered with the same 409', async () => {
    const session_id = newSession();
    const first = await project.send(session_id);
    const key = randomUUID();
    const send = () => project.send(session_id, { prompt: 'again' }, key);
    const refusal = { code: 'session_in_use', members: { turn_id: first, turn_status: 'queued' } };
    await expect(send()).rejects.toMatchObject(refusal);
    await project.cancel(session_id);
    await expect(send()).rejects.toMatchObject({
      ...refusal,
      kind: 'conflict',
      message: expect.stringContaining(first),
    });
    expect(await project.stream(session_id)).toMatchObject({ status: 'idle' });
  });

  it.each([
    ['cancel', {}, 'no_live_turn'],
    ['attach', { force: true }, 'no_live_turn'],
  ])('%s of a session where nothing runs does nothing to what runs there later', async (_, command, code) => {
    const session_id = newSession();
    const first = await project.send(session_id);
    await project.cancel(session_id);
    const key = randomUUID();
    await expect(project.invoke({ session_id, ...command }, key)).rejects.toMatchObject({ code });
    const second = await project.send(session_id);
    await expect(project.invoke({ session_id, ...command }, key)).rejects.toMatchObject({ code });
    expect(await project.turn(first)).toMatchObject({ status: 'cancelled' });
    expect(await project.turn(second)).toMatchObject({ status: 'queued' });
    expect(await project.stream(session_id)).toMatchObject({ attached: false });
  });

  it('leaves nothing behind but its answer, also of an agent that is there by now', async () => {
    const session_id = newSession();
    const key = randomUUID();
    const send = () => project.send(session_id, { agent: { name: 'not-there' } }, key);
    await expect(send()).rejects.toMatchObject({ code: 'agent_not_found' });
    await expect(project.stream(session_id)).rejects.toMatchObject({ code: 'session_not_found' });
    await expect(send()).rejects.toMatchObject({ code: 'agent_not_found' });
  });

  it('is another request under the same key still', async () => {
    const session_id = newSession();
    await project.send(session_id);
    const key = randomUUID();
    await expect(project.send(session_id, { prompt: 'a' }, key)).rejects.toMatchObject({ code: 'session_in_use' });
    await expect(project.send(session_id, { prompt: 'b' }, key)).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
  });

  it('for what passes, as a limit or a missing permission, may be tried again under its key', async () => {
    const session_id = newSession();
    const mayNot = await project.newKey({ permissions: ['VIEW_SESSIONS'] });
    const key = randomUUID();
    const send = (by = project.principal) => project.invoke({ session_id, prompt: 'hi', detached: true }, key, by);
    await expect(send(mayNot)).rejects.toMatchObject({ code: 'permission_denied' });
    expect(await send()).toMatchObject({ mode: 'send' });
  });
});

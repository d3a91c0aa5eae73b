import { startFlows, type Flows, type Project } from './flows-fixture.js';

describe('what is true of a session now', () => {
  let flows: Flows;
  let project: Project;
  let sessions = 0;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newId = () => `s-${(sessions += 1)}`;

  it('D1, D3: is what was written last, from the prompt over the claim and the first beat to the end', async () => {
    const session_id = newId();
    const turn_id = await project.send(session_id);
    expect(await project.stream(session_id)).toMatchObject({
      status: 'queued',
      current_turn_id: turn_id,
      alive: false,
      owner_replica_id: null,
      lease_until: null,
    });
    const owned = await project.claim(session_id);
    expect(await project.stream(session_id)).toMatchObject({
      status: 'starting',
      alive: true,
      owner_replica_id: project.runner.replica_id,
      lease_until: expect.any(String),
    });
    await project.run(owned);
    expect(await project.liveness(session_id)).toMatchObject({
      status: 'running',
      alive: true,
      last_heartbeat_at: expect.any(String),
    });
    await project.complete(owned);
    expect(await project.stream(session_id)).toMatchObject({
      status: 'idle',
      current_turn_id: null,
      alive: false,
      attached: false,
      sandbox_live: false,
      owner_replica_id: null,
      lease_until: null,
      inbox_length: 0,
    });
  });

  it('D10: is judged by the lease, not by what the row says of the turn: one whose lease ran out is not alive', async () => {
    const session_id = newId();
    await project.send(session_id);
    await project.run(await project.claim(session_id));
    await flows.sql(
      `UPDATE session_streams SET lease_until = now() - interval '1 second' WHERE project_id = $1 AND session_id = $2`,
      [project.project_id, session_id],
    );
    expect(await project.liveness(session_id)).toMatchObject({ status: 'running', alive: false });
  });

  it('counts what waits', async () => {
    const session_id = newId();
    await project.send(session_id);
    await project.send(session_id, { on_busy: 'queue' });
    await project.send(session_id, { on_busy: 'queue' });
    expect(await project.liveness(session_id)).toMatchObject({ inbox_length: 2 });
  });

  it('is asked of a session that exists', async () => {
    await expect(project.liveness(newId())).rejects.toMatchObject({ code: 'session_not_found' });
  });
});

import { DEFAULT_STREAMS_CONFIG } from '@holdfast/sessions-streams';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { eventually } from '@holdfast/testing';
import { settle, startFlows, type Flows, type Project } from './flows-fixture.js';

const LIMIT = 3;

describe('the cap of live turns in a project', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => {
    flows = await startFlows({ maxLiveTurnsPerProject: LIMIT });
  });
  afterAll(() => flows.stop());
  beforeEach(async () => {
    project = await flows.newProject();
  });

  const fill = () => Promise.all(Array.from({ length: LIMIT }, (_, n) => project.send(`full-${n}`)));

  it('B22: of many starts at once as many succeed as there is room for', async () => {
    const { done, codes } = await settle(Array.from({ length: 10 }, (_, n) => project.send(`s-${n}`)));
    expect(done).toHaveLength(LIMIT);
    expect(new Set(codes)).toEqual(new Set(['project_at_capacity']));
  });

  it('refuses a start with when to come again, and leaves no session behind', async () => {
    await fill();
    await expect(project.send('more')).rejects.toMatchObject({
      code: 'project_at_capacity',
      kind: 'rate-limited',
      members: { limit: LIMIT, retry_after_seconds: expect.any(Number) },
    });
    await expect(project.stream('more')).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('B22: never blocks cancelling, attaching, killing, queueing or steering', async () => {
    const [first] = await fill();
    await expect(project.invoke({ session_id: 'full-0', force: true })).resolves.toMatchObject({ turn_id: first });
    await expect(project.send('full-0', { on_busy: 'queue' })).resolves.toEqual(expect.any(String));
    await expect(project.send('full-1', { force: true })).resolves.toEqual(expect.any(String));
    await expect(project.cancel('full-1')).resolves.toMatchObject({ mode: 'cancel' });
    await expect(project.kill('full-2')).resolves.toMatchObject({ session_id: 'full-2' });
  });

  it('A12: is told to nobody who may not start a turn: that is what the refusal says', async () => {
    await fill();
    const viewer = { ...project.principal, permissions: ['VIEW_SESSIONS' as const] };
    await expect(
      project.invoke({ session_id: 'more', prompt: 'hi', detached: true }, undefined, viewer),
    ).rejects.toMatchObject({ code: 'permission_denied' });
  });

  it('A2: is of one project: another one is not concerned', async () => {
    await fill();
    const another = await flows.newProject();
    await expect(another.send('mine')).resolves.toEqual(expect.any(String));
  });

  it('passes on the place of a turn to what waited behind it, and frees it when nothing does', async () => {
    await fill();
    await project.send('full-0', { on_busy: 'queue' });
    await project.cancel('full-0');
    await expect(project.send('more')).rejects.toMatchObject({ code: 'project_at_capacity' });
    await project.cancel('full-0');
    await expect(project.send('more')).resolves.toEqual(expect.any(String));
    await expect(project.send('still-more')).rejects.toMatchObject({ code: 'project_at_capacity' });
  });

  it('B23: is of owners that cannot beat while the database is away, too: nobody takes their places at once', async () => {
    await fill();
    const owned = await project.claimAll();
    expect(owned).toHaveLength(LIMIT);
    await flows.sql(`UPDATE session_streams SET lease_until = now() - interval '1 second' WHERE project_id = $1`, [
      project.project_id,
    ]);
    await expect(project.send('more')).rejects.toMatchObject({ code: 'project_at_capacity' });
  });

  it('B23: is a lease: an owner that let its own run out for long takes no room, and no place is lost for ever', async () => {
    await fill();
    await project.claimAll();
    await expect(project.send('more')).rejects.toMatchObject({ code: 'project_at_capacity' });
    await flows.sql(
      `UPDATE session_streams SET lease_until = now() - make_interval(secs => $2)
        WHERE project_id = $1 AND session_id = 'full-0'`,
      [project.project_id, DEFAULT_STREAMS_CONFIG.leaseSeconds + 1],
    );
    await expect(project.send('more')).resolves.toEqual(expect.any(String));
    await expect(project.send('still-more')).rejects.toMatchObject({ code: 'project_at_capacity' });

    await flows.sql(
      `UPDATE session_streams SET current_turn_id = NULL WHERE project_id = $1 AND session_id = 'full-1'`,
      [project.project_id],
    );
    await expect(project.send('still-more')).resolves.toEqual(expect.any(String));
  });
});

describe('the cap of live turns in a project that is far from it', () => {
  let flows: Flows;
  beforeAll(async () => {
    flows = await startFlows({ maxLiveTurnsPerProject: 1_000 });
  });
  afterAll(() => flows.stop());

  it('B22: refuses nobody, though others were quicker to take every place that was made meanwhile', async () => {
    const project = await flows.newProject();
    let start: Promise<string> | undefined;
    await flows.app.get(UnitOfWork).run(async (tx) => {
      await tx.query(
        `INSERT INTO project_turn_slots (project_id, slot, session_id)
         SELECT $1, n, 'other-' || n FROM generate_series(0, 99) n`,
        [project.project_id],
      );
      start = project.send('mine');
      await eventually(async () => {
        const waiting = await flows.sql(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
              AND query LIKE 'INSERT INTO project_turn_slots%'`,
        );
        expect(waiting).toHaveLength(1);
      });
    });
    await expect(start).resolves.toEqual(expect.any(String));
  });
});

import { randomUUID } from 'node:crypto';
import { AgentsService } from '@holdfast/agents';
import { ProjectSettingsService } from '@holdfast/platform-auth';
import { DEFAULT_STREAMS_CONFIG, type SessionTurnGrant } from '@holdfast/sessions-streams';
import { ClaimTurnsFlow, HandOverTurnFlow, SweepOverdueTurnsFlow } from '../src/index.js';
import { startFlows, unlimited, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

const refusal = { code: 'approval_bypass_not_allowed' };

describe('an agent that asks nobody', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => void (flows = await startFlows()));
  afterAll(() => flows.stop());
  beforeEach(async () => {
    project = await flows.newProject();
    const owner = { project_id: project.project_id, by_id: project.principal.key_id };
    const agents = flows.app.get(AgentsService);
    await agents.setAgent(owner, 'bold', { harness: 'claude', drive: 'cli', approvals: 'bypass' });
    await agents.setAgent(owner, 'pushed', {
      harness: 'push',
      push_url: 'https://agent.example/',
      approvals: 'bypass',
    });
  });
  afterEach(() => jest.restoreAllMocks());

  const newId = () => `s-${randomUUID()}`;
  const allow = (allow_approval_bypass: boolean) =>
    flows.app.get(ProjectSettingsService).edit(project.project_id, project.principal.key_id, { allow_approval_bypass });
  /** The turn of the session that is in line, as its runner is granted it. */
  const granted = async (): Promise<SessionTurnGrant> => {
    const [grant] = await flows.app
      .get(ClaimTurnsFlow)
      .run(project.runner, { capacity: 1, wait_seconds: 5 }, unlimited);
    return grant!;
  };
  const owned = ({ session_id, turn_id, epoch }: SessionTurnGrant): OwnedTurn => ({
    project_id: project.project_id,
    session_id,
    turn_id,
    epoch,
  });
  const dataOf = async (session_id: string, type: string) =>
    (await project.events(session_id)).find((event) => event.type === type)?.data;

  it.each(['bold', 'pushed'])(
    'is refused where its project does not allow it, and leaves nothing (%s)',
    async (name) => {
      const session_id = newId();
      await expect(project.send(session_id, { agent: { name } })).rejects.toMatchObject({
        ...refusal,
        kind: 'forbidden',
      });
      await expect(project.stream(session_id)).rejects.toMatchObject({ code: 'session_not_found' });
    },
  );

  it.each([
    ['steers', { force: true }],
    ['is handed in', { force: true, delivery: 'in_turn' as const }],
    ['waits', { on_busy: 'queue' as const }],
  ])('is refused also where its prompt %s', async (_, command) => {
    const session_id = newId();
    const live = await project.send(session_id);
    await expect(project.send(session_id, { ...command, agent: { name: 'bold' } })).rejects.toMatchObject(refusal);
    expect(await project.inbox(session_id)).toEqual([]);
    expect(await project.turn(live)).toMatchObject({ status: 'queued' });
  });

  it('runs where its project allows it; what applied is in the grant, the turn and the log', async () => {
    await allow(true);
    const session_id = newId();
    const turn_id = await project.send(session_id, { agent: { name: 'bold' } });
    const applied = { drive: 'cli', approvals: 'bypass' };
    const grant = await granted();
    expect(grant).toMatchObject({ turn_id, ...applied });
    await project.run(owned(grant));
    expect(await project.turn(turn_id)).toMatchObject(applied);
    expect(await dataOf(session_id, 'turn.queued')).toMatchObject(applied);
    expect(await dataOf(session_id, 'turn.running')).toMatchObject(applied);
  });

  it('does not leave the inbox once the leave was taken back', async () => {
    await allow(true);
    const session_id = newId();
    await project.send(session_id);
    const waiting = await project.send(session_id, { agent: { name: 'bold' }, on_busy: 'queue' });
    await allow(false);
    await project.cancel(session_id);
    expect(await project.turn(waiting)).toMatchObject({ status: 'failed', error: refusal });
  });

  it('is not handed to another runner once the leave was taken back', async () => {
    await allow(true);
    const session_id = newId();
    await project.send(session_id, { agent: { name: 'bold' } });
    const { turn_id, epoch } = await granted();
    const waiting = await project.send(session_id, { agent: { name: 'scripted' }, on_busy: 'queue' });
    await allow(false);
    const handOver = { session_id, turn_id, epoch, reason: 'runner_stopped' };
    for (const time of ['first', 'retried']) {
      const answer = await flows.app.get(HandOverTurnFlow).run(project.project_id, handOver);
      expect([time, answer]).toMatchObject([time, { status: 'failed', error: refusal }]);
    }
    expect(await project.turn(waiting)).toMatchObject({ status: 'queued' });
  });

  it('is not tried again after its runner was lost, once the leave was taken back', async () => {
    await allow(true);
    const session_id = newId();
    const turn_id = await project.send(session_id, { agent: { name: 'bold' } });
    await granted();
    await allow(false);
    await flows.sql(`UPDATE session_streams SET lease_until = now() - interval '1 s' WHERE session_id = $1`, [
      session_id,
    ]);
    let clock = 1_000_000_000;
    jest.spyOn(Date, 'now').mockImplementation(() => clock);
    for (let third = 0; third <= 3; third++) {
      await flows.app.get(SweepOverdueTurnsFlow).run();
      clock += (DEFAULT_STREAMS_CONFIG.leaseSeconds * 1000) / 3;
    }
    expect(await project.turn(turn_id)).toMatchObject({ status: 'failed', attempt: 1, error: refusal });
    await expect(project.send(session_id, { agent: { name: 'scripted' } })).resolves.toEqual(expect.any(String));
  });
});

import { randomUUID } from 'node:crypto';
import { AgentsReader } from '@holdfast/agents';
import { TurnCredentials } from '@holdfast/platform-auth';
import {
  TurnClaimsService,
  TurnLeasesRepository,
  type RunnerReplica,
  type SessionTurnGrant,
} from '@holdfast/sessions-streams';
import { ClaimTurnsFlow, HandOverTurnFlow } from '../src/index.js';
import { startFlows, unlimited, type Flows, type Project } from './flows-fixture.js';

describe('the answer to a claim', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => flows.stop());

  const newSession = () => `s-${randomUUID()}`;
  const fenceOf = ({ session_id, turn_id, epoch }: SessionTurnGrant) => ({ session_id, turn_id, epoch });
  const claim = () => flows.app.get(ClaimTurnsFlow).run(project.runner, { capacity: 10, wait_seconds: 5 }, unlimited);

  it('has all that the runner needs, with a credential for this attempt and nothing else', async () => {
    const session_id = newSession();
    const turn_id = await project.send(session_id, { prompt: 'say hello' });
    const [grant] = await claim();
    expect(grant).toMatchObject({
      session_id,
      turn_id,
      attempt: 1,
      epoch: 1,
      prompt: 'say hello',
      agent: { name: 'scripted', revision: 1 },
      harness: 'scripted',
      drive: 'acp',
      approvals: 'ask',
      log_path: `/v1/stream/sessions/${session_id}/events`,
      resume_agent_session_id: null,
    });
    expect(await flows.app.get(TurnCredentials).authenticate(grant!.credential)).toMatchObject({
      project_id: project.project_id,
      key_id: project.runner.key_id,
      turn: { session_id, turn_id, epoch: 1 },
    });
  });

  it('that nobody waits for any more is empty, and its turns are in line again without having lost an attempt', async () => {
    const leaving = new AbortController();
    const session_id = newSession();
    const turn_id = await project.send(session_id);
    const claims = flows.app.get(TurnClaimsService);
    const take = claims.claim.bind(claims);
    jest.spyOn(claims, 'claim').mockImplementationOnce(async (...asked) => {
      const claimed = await take(...asked);
      leaving.abort();
      return claimed;
    });
    const request = { capacity: 1, wait_seconds: 5 };
    expect(await flows.app.get(ClaimTurnsFlow).run(project.runner, request, leaving.signal)).toEqual([]);
    expect((await project.types(session_id)).at(-1)).toBe('turn.handed_over');
    const [row] = await flows.sql(`SELECT status, lost_attempts FROM session_turns WHERE turn_id = $1`, [turn_id]);
    expect(row).toEqual({ status: 'queued', lost_attempts: 0 });
    expect(await claim()).toMatchObject([{ turn_id, attempt: 2 }]);
  });

  it('has the turns that can be told, though one of those that were claimed cannot', async () => {
    const read = flows.app.get(AgentsReader);
    const [first, second] = [await project.send(newSession()), await project.send(newSession())];
    jest.spyOn(performance, 'now').mockReturnValue(performance.now());
    jest.spyOn(read, 'fetchRevision').mockRejectedValueOnce(new Error('not now'));
    const grants = await claim();
    expect(grants).toHaveLength(1);
    expect([first, second]).toContain(grants[0]!.turn_id);
  });

  describe('that got lost on its way, and is asked for once more under its claim_id', () => {
    const claimAs = (claim_id: string, more: { capacity?: number; runner?: RunnerReplica } = {}) =>
      flows.app
        .get(ClaimTurnsFlow)
        .run(more.runner ?? project.runner, { capacity: more.capacity ?? 1, wait_seconds: 0, claim_id }, unlimited);

    it('is the same: no lease and no attempt is lost, and nothing else is claimed', async () => {
      const turn_id = await project.send(newSession());
      await project.send(newSession());
      const claim_id = randomUUID();
      const [first] = await claimAs(claim_id);
      expect(first).toMatchObject({ turn_id, attempt: 1 });
      const again = await claimAs(claim_id);
      expect(again).toEqual([{ ...first, credential: expect.any(String) }]);
      expect(await flows.app.get(TurnCredentials).authenticate(again[0]!.credential)).toMatchObject({
        turn: { turn_id, epoch: first!.epoch },
      });
      expect(await claim()).toHaveLength(1);
    });

    it('has only those that the replica still owns under it: one that went to somebody else is not in it', async () => {
      const [kept, gone] = [await project.send(newSession()), await project.send(newSession())];
      jest.spyOn(performance, 'now').mockReturnValue(performance.now());
      const claim_id = randomUUID();
      const grants = await claimAs(claim_id, { capacity: 2 });
      const lost = grants.find(({ turn_id }) => turn_id === gone)!;
      await flows.app.get(HandOverTurnFlow).run(project.project_id, { ...fenceOf(lost), reason: 'drain' });
      expect((await claimAs(claim_id, { capacity: 2 })).map(({ turn_id }) => turn_id)).toEqual([kept]);
      expect(await claim()).toMatchObject([{ turn_id: gone, attempt: 2 }]);
    });

    it("is each replica's own", async () => {
      await project.send(newSession());
      const claim_id = randomUUID();
      expect(await claimAs(claim_id)).toHaveLength(1);
      const other = { project_id: project.project_id, replica_id: randomUUID(), key_id: randomUUID() };
      await flows.app.get(TurnClaimsService).register(other, { pools: ['default'], labels: [], capacity: 10 });
      expect(await claimAs(claim_id, { runner: other })).toEqual([]);
    });

    it('has what the first one, which nobody hears any more, claims meanwhile', async () => {
      const claim_id = randomUUID();
      const turn_id = await project.send(newSession());
      const leases = flows.app.get(TurnLeasesRepository);
      let first: SessionTurnGrant[] = [];
      jest.spyOn(leases, 'queuedTurns').mockImplementationOnce(async () => {
        first = await claimAs(claim_id);
        return [];
      });
      expect(await claimAs(claim_id)).toMatchObject([{ turn_id, attempt: 1, epoch: 1 }]);
      expect(first).toHaveLength(1);
    });
  });
});

import { randomUUID } from 'node:crypto';
import { AgentsReader } from '@holdfast/agents';
import { TurnCredentials } from '@holdfast/platform-auth';
import { TurnClaimsService } from '@holdfast/sessions-streams';
import { ClaimTurnsFlow } from '../src/index.js';
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
});

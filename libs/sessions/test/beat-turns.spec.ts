import { randomUUID } from 'node:crypto';
import { TurnCredentials } from '@holdfast/platform-auth';
import { BeatTurnsFlow } from '../src/index.js';
import { startFlows, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

describe('the heartbeat of a replica', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const claimed = async (): Promise<OwnedTurn> => {
    const session_id = `s-${randomUUID()}`;
    await project.send(session_id);
    return project.claim(session_id);
  };
  const beatOf = ({ session_id, turn_id, epoch }: OwnedTurn, more: object = {}) => ({
    session_id,
    turn_id,
    epoch,
    status: 'running',
    ...more,
  });
  const beat = (turns: unknown[], control_offset?: string) =>
    flows.app.get(BeatTurnsFlow).run(project.runner, { turns, control_offset });

  it('B15: answers each beat in its place; a malformed one says why and spoils no other', async () => {
    const [first, second] = [await claimed(), await claimed()];
    const { turns } = await beat([
      null,
      beatOf(first, { agent_session_id: 'a\0b' }),
      beatOf(second),
      beatOf(first, { epoch: 'x' }),
      beatOf(second, { epoch: 99 }),
      { turn_id: first.turn_id },
      beatOf(first),
    ]);
    const malformed = { is_current: false, error: { code: 'beat_malformed', message: expect.any(String) } };
    expect(turns).toMatchObject([
      { turn_id: null, epoch: null, ...malformed },
      { turn_id: first.turn_id, epoch: first.epoch, ...malformed },
      { turn_id: second.turn_id, epoch: second.epoch, is_current: true },
      { turn_id: first.turn_id, epoch: null, ...malformed },
      { turn_id: second.turn_id, epoch: 99, is_current: false },
      { turn_id: first.turn_id, epoch: null, ...malformed },
      { turn_id: first.turn_id, epoch: first.epoch, is_current: true },
    ]);
    expect(turns[1]!.error!.message).toMatch(/^agent_session_id must /);
    expect(await project.turn(first.turn_id)).toMatchObject({ status: 'running' });
    expect(await project.turn(second.turn_id)).toMatchObject({ status: 'running' });
  });

  it('A5: brings a new credential for a turn whose own is growing old, and for no other', async () => {
    const [old, fresh, lost] = [await claimed(), await claimed(), await claimed()];
    await flows.sql(
      `UPDATE session_streams SET last_heartbeat_at = now() - interval '10 minutes' WHERE session_id = ANY($1)`,
      [[old.session_id, lost.session_id]],
    );
    await beat([beatOf(fresh)]);
    const { turns } = await beat([beatOf(old), { ...beatOf(lost), epoch: 99 }]);
    const { credential } = turns[0]!;
    expect(await flows.app.get(TurnCredentials).authenticate(credential!)).toMatchObject({
      project_id: project.project_id,
      key_id: project.runner.key_id,
      turn: { session_id: old.session_id, turn_id: old.turn_id, epoch: old.epoch },
    });
    expect(turns[1]).not.toHaveProperty('credential');
  });

  it('B18: brings the commands after the last that the runner has processed', async () => {
    const [first, second] = [await claimed(), await claimed()];
    const none = await beat([beatOf(first), beatOf(second)]);
    expect(none.commands).toEqual([]);
    await project.cancel(first.session_id);
    const all = (await beat([], '-1')).commands as { turn_id: string; type: string }[];
    expect(all.at(-1)).toMatchObject({ type: 'cancel', turn_id: first.turn_id });
    const after = `0000000000000001_${String(all.length).padStart(16, '0')}`;
    expect((await beat([], after)).commands).toEqual([]);
    await project.cancel(second.session_id);
    expect((await beat([], after)).commands).toMatchObject([{ type: 'cancel', turn_id: second.turn_id }]);
    // One that this log never gave out: everything comes again, and the runner knows what it has had.
    expect((await beat([], '0000000000000009_0000000000000000')).commands).toHaveLength(all.length + 1);
  });

  it('a replica without turns beats too; one that is not known is told so', async () => {
    expect(await beat([])).toEqual({ turns: [], commands: [] });
    await expect(
      flows.app.get(BeatTurnsFlow).run({ ...project.runner, key_id: randomUUID() }, { turns: [] }),
    ).rejects.toMatchObject({ code: 'replica_unknown' });
  });
});

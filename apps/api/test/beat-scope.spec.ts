import { randomUUID } from 'node:crypto';
import type { TurnPrincipal } from '@holdfast/platform-auth';
import { SessionRunnersController } from '../src/controllers/session-runners.controller.js';

describe('a beat under the credential of a turn', () => {
  const turn = { session_id: 's-1', turn_id: randomUUID(), epoch: 3 };
  const principal = { kind: 'turn', project_id: randomUUID(), key_id: turn.turn_id, turn } as TurnPrincipal;
  const sound = { ...turn, status: 'running' };

  async function beat(entry: unknown): Promise<unknown> {
    const beatFlow = { run: jest.fn(async () => ({ turns: [], commands: [] })) };
    const parts = [, , beatFlow] as unknown as ConstructorParameters<typeof SessionRunnersController>;
    const controller = new SessionRunnersController(...parts);
    await controller.beatSessionTurns(principal, { replica_id: turn.turn_id, turns: [entry] } as never);
    return beatFlow.run.mock.calls[0];
  }

  it('is for its turn however that is spelt: a UUID has no case', async () => {
    await expect(beat(sound)).resolves.toBeDefined();
    await expect(beat({ ...sound, turn_id: turn.turn_id.toUpperCase() })).resolves.toBeDefined();
  });

  it.each([
    ['turn', { turn_id: randomUUID() }],
    ['turn in upper case', { turn_id: randomUUID().toUpperCase() }],
    ['session', { session_id: 's-2' }],
    ['attempt', { epoch: 4 }],
  ])('is refused for another %s', async (_, other) => {
    await expect(beat({ ...sound, ...other })).rejects.toMatchObject({ code: 'credential_scope' });
  });

  it.each([undefined, null, 7, 'beat', []])('that is %j is left for its own answer', async (entry) => {
    await expect(beat(entry)).resolves.toBeDefined();
  });
});

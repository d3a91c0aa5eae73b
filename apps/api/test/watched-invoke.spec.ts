import type { KeyPrincipal, Permission } from '@holdfast/platform-auth';
import { SessionStreamsController } from '../src/controllers/session-streams.controller.js';

type Invoke = Parameters<SessionStreamsController['invokeSessionStream']>;

/** What an invoke reached that is answered with the events of its turn. */
async function invokeWatched(permissions: Permission[]): Promise<string[]> {
  const reached: string[] = [];
  const views = { serve: async () => void reached.push('view') };
  const parts = [{}, {}, {}, {}, {}, views, {}, {}] as unknown as ConstructorParameters<
    typeof SessionStreamsController
  >;
  const principal: KeyPrincipal = { project_id: 'p', key_id: 'k', kind: 'user', permissions };
  const request = [principal, { session_id: 's', prompt: 'hello' }, undefined, {}, {}] as unknown as Invoke;
  await new SessionStreamsController(...parts).invokeSessionStream(...request);
  return reached;
}

it('an invoke that is answered with events is for those who may also read them', async () => {
  expect(await invokeWatched(['RUN_SESSIONS', 'VIEW_SESSIONS'])).toEqual(['view']);
  await expect(invokeWatched(['RUN_SESSIONS'])).rejects.toMatchObject({ code: 'permission_denied' });
});

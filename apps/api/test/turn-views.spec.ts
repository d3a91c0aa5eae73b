import type { FastifyReply, FastifyRequest } from 'fastify';
import type { View } from '@holdfast/durable-streams';
import { RequestAuthentication, sharePrincipal, type Principal, type ShareRole } from '@holdfast/platform-auth';
import { SessionNotFound } from '@holdfast/platform-postgres';
import type { SessionStreamInvoked } from '@holdfast/sessions-streams';
import type { ViewGrant } from '../src/log/live-grants.js';
import { TurnViews } from '../src/log/turn-views.js';

describe('the view of a turn', () => {
  const reader = { kind: 'user', permissions: ['RUN_SESSIONS', 'VIEW_SESSIONS'] } as unknown as Principal;

  /** A view that is open; what it is held to, what ends it, and who was detached. */
  async function open() {
    const seen = { isOver: false, detached: [] as string[] };
    const ending = new AbortController();
    let held!: ViewGrant;
    const watcher = {
      watch: (_: unknown, { signal }: View) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve('left'))),
    };
    const views = {
      serve: (_: unknown, __: unknown, grant: ViewGrant, show: (view: object, stream: object) => Promise<unknown>) => {
        held = grant;
        return show({ signal: ending.signal }, {});
      },
    };
    const access = {
      require: async (_: Principal, session_id: string) => {
        if (session_id !== 's') throw SessionNotFound({ session_id });
      },
    };
    const detach = { run: async (_: unknown, watcher_id: string) => void seen.detached.push(watcher_id) };
    const parts = [watcher, views, access, detach] as unknown as ConstructorParameters<typeof TurnViews>;
    const invoked = { watcher_id: 'w', offset: '-1' } as SessionStreamInvoked;
    const request = { headers: { authorization: 'Bearer key' }, raw: {}, id: 'r' } as unknown as FastifyRequest;
    const apiKeys = { authenticate: async () => reader };
    await new RequestAuthentication(apiKeys as never, {} as never).principal(request);
    const over = new TurnViews(...parts)
      .serve(request, { raw: {} } as FastifyReply, { project_id: 'p', session_id: 's' }, async () => ({ invoked }))
      .then(() => (seen.isOver = true));
    return { seen, held, end: () => (ending.abort(), over) };
  }

  it('A11: ends with what lets its caller see it, who watches the turn no longer', async () => {
    const { seen, end } = await open();
    expect(seen.isOver).toBe(false);
    await end();
    expect(seen).toEqual({ isOver: true, detached: ['w'] });
  });

  it('A11: is for those who may both invoke and read, for as long as they may', async () => {
    const { held, end } = await open();
    await expect(held.admit(reader)).resolves.toBeUndefined();
    for (const permissions of [['RUN_SESSIONS'], ['VIEW_SESSIONS'], []]) {
      await expect(held.admit({ ...reader, permissions } as Principal)).rejects.toMatchObject({
        code: 'permission_denied',
      });
    }
    await end();
  });

  it('is held to the credential and the session of its request', async () => {
    const { held, end } = await open();
    expect(held).toMatchObject({ headers: { authorization: 'Bearer key' }, principal: reader, session_ids: ['s'] });
    const share = (role: ShareRole) =>
      sharePrincipal('p', {
        share_id: 'x',
        participant_id: null,
        role,
        scope: 'session',
        session_id: 's',
        task_id: null,
        maker_id: null,
      });
    await expect(held.admit(share('executor'))).resolves.toBeUndefined();
    await end();
  });
});

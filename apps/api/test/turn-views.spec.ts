import { Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { View } from '@holdfast/durable-streams';
import { Unauthenticated, type Principal } from '@holdfast/platform-auth';
import type { SessionStreamInvoked } from '@holdfast/sessions-streams';
import { TurnViews } from '../src/log/turn-views.js';

describe('the view of a turn', () => {
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  const MINUTE_MS = 60_000;
  const reader = { kind: 'user', permissions: ['RUN_SESSIONS', 'VIEW_SESSIONS'] } as unknown as Principal;

  /** A view for somebody whose credential is judged by `judge`, from now on; tells when it ended and who was detached. */
  function open(judge: () => Promise<Principal>) {
    const seen = { isOver: false, detached: [] as string[] };
    const watcher = {
      watch: (_: unknown, { signal }: View) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve('left'))),
    };
    const views = {
      serve: (_: unknown, __: unknown, show: (view: object, stream: object) => Promise<unknown>) =>
        show({ signal: new AbortController().signal }, {}),
    };
    const detach = { run: async (_: unknown, watcher_id: string) => void seen.detached.push(watcher_id) };
    const parts = [watcher, views, { principal: judge }, detach] as unknown as ConstructorParameters<typeof TurnViews>;
    const invoked = { watcher_id: 'w', offset: '-1' } as SessionStreamInvoked;
    const request = { headers: {}, raw: {}, id: 'r' } as unknown as FastifyRequest;
    const session = { project_id: 'p', session_id: 's' };
    const reply = { raw: {} } as FastifyReply;
    void new TurnViews(...parts)
      .serve(request, reply, session, async () => ({ invoked }))
      .then(() => (seen.isOver = true));
    return seen;
  }

  it('A11: ends within a minute when the key of its caller was revoked, who watches the turn no longer', async () => {
    jest.useFakeTimers();
    let isRevoked = false;
    const seen = open(async () => {
      if (isRevoked) throw Unauthenticated();
      return reader;
    });
    await jest.advanceTimersByTimeAsync(10 * MINUTE_MS);
    expect(seen.isOver).toBe(false);
    isRevoked = true;
    await jest.advanceTimersByTimeAsync(MINUTE_MS);
    expect(seen).toEqual({ isOver: true, detached: ['w'] });
  });

  it('A11: ends within a minute when the key of its caller may no longer read', async () => {
    jest.useFakeTimers();
    const seen = open(async () => ({ ...reader, permissions: ['RUN_SESSIONS'] }) as Principal);
    await jest.advanceTimersByTimeAsync(MINUTE_MS);
    expect(seen.isOver).toBe(true);
  });

  it('goes on while nobody can say whether the key is good', async () => {
    jest.useFakeTimers();
    jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    const seen = open(async () => {
      throw new Error('the database is away');
    });
    await jest.advanceTimersByTimeAsync(3 * MINUTE_MS);
    expect(seen.isOver).toBe(false);
  });
});

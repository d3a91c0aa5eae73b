import { Logger } from '@nestjs/common';
import {
  ShareEnded,
  sharePrincipal,
  Unauthenticated,
  type KeyPrincipal,
  type Principal,
  type RequestAuthentication,
  type ShareCredentials,
} from '@holdfast/platform-auth';
import type { ParticipantPresence } from '@holdfast/sessions-sharing';
import { LiveGrants } from '../src/log/live-grants.js';

describe('what lets somebody look on', () => {
  const EVERY_MS = 10_000;
  const user: KeyPrincipal = { project_id: 'p', key_id: 'k', kind: 'user', permissions: ['VIEW_SESSIONS'] };
  const viewer = sharePrincipal('p', {
    share_id: 'mine',
    participant_id: 'someone',
    role: 'reader',
    scope: 'session',
    session_id: 's',
    task_id: null,
    maker_id: null,
  });

  beforeEach(() => jest.useFakeTimers());
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  /** A view of somebody whose credential and reach are judged so, from now on. */
  function hold(principal: Principal, judge: () => Promise<unknown>) {
    const seen: string[][] = [];
    const listeners = new Set<(share_id?: string) => void>();
    const authentication = { principal: async () => principal };
    const shares = {
      onChange: (listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    const presence = { seen: async (_: Principal, session_ids: string[]) => void seen.push(session_ids) };
    const grants = new LiveGrants(
      authentication as unknown as RequestAuthentication,
      shares as unknown as ShareCredentials,
      presence as unknown as ParticipantPresence,
      EVERY_MS,
    );
    const admit = async () => void (await judge());
    const grant = grants.hold({ headers: {}, principal, admit, session_ids: ['s'] });
    const change = (share_id?: string) => listeners.forEach((listener) => listener(share_id));
    return { grant, seen, change, listeners };
  }

  it('A11: is looked at every ten seconds, for keys and shares alike, and ends with the reason', async () => {
    for (const [principal, refusal] of [
      [user, Unauthenticated()],
      [viewer, ShareEnded({ reason: 'expired' })],
    ] as const) {
      let isGood = true;
      const { grant } = hold(principal, async () => {
        if (!isGood) throw refusal;
      });
      await jest.advanceTimersByTimeAsync(5 * EVERY_MS);
      expect(grant.signal.aborted).toBe(false);
      isGood = false;
      await jest.advanceTimersByTimeAsync(EVERY_MS);
      expect(grant.signal.reason).toBe(refusal);
      grant.done();
    }
  });

  it('of a share is looked at once more when it is held, so that nothing is missed between', async () => {
    const { grant } = hold(viewer, async () => {
      throw ShareEnded({ reason: 'revoked' });
    });
    await jest.advanceTimersByTimeAsync(0);
    expect(grant.signal.aborted).toBe(true);
    grant.done();
  });

  it('of a share is looked at as soon as that changed, or any may have', async () => {
    for (const changed of ['mine', undefined]) {
      let isGood = true;
      const { grant, change } = hold(viewer, async () => {
        if (!isGood) throw ShareEnded({ reason: 'revoked' });
      });
      await jest.advanceTimersByTimeAsync(0);
      isGood = false;
      change('another');
      await jest.advanceTimersByTimeAsync(0);
      expect(grant.signal.aborted).toBe(false);
      change(changed);
      await jest.advanceTimersByTimeAsync(0);
      expect(grant.signal.aborted).toBe(true);
      grant.done();
    }
  });

  it('holds while nobody can say whether it does', async () => {
    jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    const { grant, seen } = hold(user, async () => {
      throw new Error('the database is away');
    });
    await jest.advanceTimersByTimeAsync(3 * EVERY_MS);
    expect(grant.signal.aborted).toBe(false);
    expect(seen).toEqual([]);
    grant.done();
  });

  it('says each time that somebody is there still, and nothing more once it is over', async () => {
    const { grant, seen, listeners } = hold(user, async () => undefined);
    await jest.advanceTimersByTimeAsync(2 * EVERY_MS);
    expect(seen).toEqual([['s'], ['s']]);
    grant.done();
    await jest.advanceTimersByTimeAsync(5 * EVERY_MS);
    expect(seen).toHaveLength(2);
    expect(listeners.size).toBe(0);
  });
});

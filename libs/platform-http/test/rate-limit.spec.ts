import { Controller, Get } from '@nestjs/common';
import { Permit, Public, RunnerOnly, sharePrincipal, TurnOnly } from '@holdfast/platform-auth';
import { callerWith } from '../src/rate-limit.js';
import { startTestApp, type TestApp } from './test-app.js';

@Controller()
class Routes {
  @Permit('VIEW_SESSIONS')
  @Get('v1/view')
  forViewers() {
    return { ok: true };
  }

  @RunnerOnly()
  @Get('v1/admin/beat')
  forRunners() {
    return { ok: true };
  }

  @TurnOnly()
  @Get('v1/admin/write')
  forTurns() {
    return { ok: true };
  }

  @Public()
  @Get('public')
  forAnybody() {
    return { ok: true };
  }
}

let test: TestApp;
beforeEach(async () => {
  test = await startTestApp({ controllers: [Routes], rateLimitPerMinute: 3 });
});
afterEach(() => test.stop());

const get = (path: string, key?: string) =>
  fetch(`${test.url}${path}`, { headers: key ? { authorization: `Bearer ${key}` } : {} });

async function statuses(times: number, path: string, key?: string): Promise<number[]> {
  const result: number[] = [];
  for (let i = 0; i < times; i++) result.push((await get(path, key)).status);
  return result;
}

describe('the rate limit', () => {
  it('refuses a key what is over its limit, and says when to come back', async () => {
    const key = await test.userKey('VIEW_SESSIONS');
    expect(await statuses(3, '/v1/view', key)).toEqual([200, 200, 200]);

    const refused = await get('/v1/view', key);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json\b/);
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    expect(await refused.json()).toMatchObject({
      code: 'rate_limited',
      limit_per_minute: 3,
      retry_after_seconds: seconds,
    });
  });

  it('counts each key by itself, although they share an address', async () => {
    const [one, two] = [await test.userKey('VIEW_SESSIONS'), await test.userKey('VIEW_SESSIONS')];
    expect(await statuses(4, '/v1/view', one)).toEqual([200, 200, 200, 429]);
    expect(await statuses(4, '/v1/view', two)).toEqual([200, 200, 200, 429]);
  });

  it('counts callers without a valid key by address, so that made-up keys gain nothing', async () => {
    const madeUp = (digit: number) => `hf_user_${String(digit).repeat(16)}_${String(digit).repeat(64)}`;
    const answers: number[] = [];
    for (let i = 0; i < 5; i++) answers.push((await get('/v1/view', madeUp(i))).status);
    expect(answers).toEqual([401, 401, 401, 429, 429]);
    expect((await get('/public')).status).toBe(429);
  });

  it('does not hold for runners, whose leases depend on being heard', async () => {
    const runner = await test.runnerKey();
    expect(new Set(await statuses(8, '/v1/admin/beat', runner))).toEqual(new Set([200]));
  });

  it('counts each turn by itself, and on when its credential is renewed', async () => {
    const [first, renewed] = [await test.turnCredential('t-1'), await test.turnCredential('t-1')];
    expect(await statuses(2, '/v1/admin/write', first)).toEqual([200, 200]);
    expect(await statuses(2, '/v1/admin/write', renewed)).toEqual([200, 429]);
    expect(await statuses(1, '/v1/admin/write', await test.turnCredential('t-2'))).toEqual([200]);
  });

  it('does not hold for probes', async () => {
    for (const path of ['/health/live', '/health/ready', '/metrics']) {
      expect(new Set(await statuses(5, path))).toEqual(new Set([200]));
    }
  });

  it('counts by participant, and by link for those who have not joined', () => {
    const of = (participant_id: string | null) =>
      callerWith(
        sharePrincipal('p', {
          share_id: 'link',
          participant_id,
          role: 'reader',
          scope: 'tree',
          session_id: 's',
          task_id: null,
          maker_id: null,
        }),
      );
    expect([of('one'), of('other'), of(null), of(null)]).toEqual(['key:one', 'key:other', 'key:link', 'key:link']);
  });
});

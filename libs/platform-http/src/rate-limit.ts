import rateLimit, { type FastifyRateLimitStore, type FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { Principal, RequestAuthentication } from '@holdfast/platform-auth';
import { annotateContext } from '@holdfast/platform-telemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { CallerBudgets } from './caller-budgets.js';
import { RateLimited } from './http.errors.js';
import { isProbe } from './request-trail.js';

/** Counts a request that Fastify does not see against the budget of its caller. Errors: rate_limited. */
export type SpendRequest = (caller: string) => void;

const EXEMPT = 'exempt';
const WINDOW_MS = 60_000;

/**
 * Counts requests per minute in this process: by key, by turn where a turn's credential asks, by participant (or by
 * link, until somebody has joined with it) where a share's does, or by address when the
 * request has no valid credential. Runners are exempt, because their leases depend on being heard; so are probes.
 */
export async function registerRateLimit(
  fastify: FastifyInstance,
  authentication: RequestAuthentication,
  perMinute: number,
): Promise<SpendRequest> {
  const budgets = new CallerBudgets(WINDOW_MS);
  const tooMany = (ttl: number) =>
    RateLimited({ limit_per_minute: perMinute, retry_after_seconds: Math.max(1, Math.ceil(ttl / 1000)) });
  await fastify.register(rateLimit, {
    max: perMinute,
    timeWindow: WINDOW_MS,
    store: storeOf(budgets),
    enableDraftSpec: true,
    keyGenerator: (request) => callerOf(request, authentication),
    allowList: (_request, key) => key === EXEMPT,
    errorResponseBuilder: (_request, { ttl }) => tooMany(ttl),
  });
  return (caller) => {
    if (caller === EXEMPT) return;
    const { current, ttl } = budgets.spend(caller);
    if (current > perMinute) throw tooMany(ttl);
  };
}

/** The plugin's way to a store: one budget for a caller, whoever counts. */
function storeOf(budgets: CallerBudgets): FastifyRateLimitStoreCtor {
  return class implements FastifyRateLimitStore {
    incr(caller: string, done: (error: Error | null, result: { current: number; ttl: number }) => void): void {
      done(null, budgets.spend(caller));
    }
    child(): FastifyRateLimitStore {
      return this;
    }
  };
}

async function callerOf(request: FastifyRequest, authentication: RequestAuthentication): Promise<string> {
  if (isProbe(request)) return EXEMPT;
  // Why there is none is for the guard to say.
  const principal = await authentication.principal(request).catch(() => undefined);
  if (!principal) return callerAt(request.ip);
  annotateContext({ project_id: principal.project_id, key_id: principal.key_id });
  return callerWith(principal);
}

/** Whose budget a request with a valid credential is of. A turn has one of its own: one that floods harms no other. */
export function callerWith(principal: Principal): string {
  if (principal.kind === 'runner') return EXEMPT;
  return principal.kind === 'turn' ? `turn:${principal.turn.turn_id}` : `key:${principal.key_id}`;
}

/** Whose budget a request without a valid credential is of. */
export const callerAt = (address: string) => `address:${address}`;

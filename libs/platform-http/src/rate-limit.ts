import rateLimit from '@fastify/rate-limit';
import type { RequestAuthentication } from '@holdfast/platform-auth';
import { annotateContext } from '@holdfast/platform-telemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RateLimited } from './http.errors.js';
import { isProbe } from './request-trail.js';

/** Callers counted at a time; the ones not seen for longest are forgotten first. */
const COUNTED_CALLERS = 20_000;

const EXEMPT = 'exempt';

/**
 * Counts requests per minute in this process: by key, or by address when the request has no valid key. Runners are
 * exempt, because their lease depends on being heard; so are probes.
 */
export async function registerRateLimit(
  fastify: FastifyInstance,
  authentication: RequestAuthentication,
  perMinute: number,
): Promise<void> {
  await fastify.register(rateLimit, {
    max: perMinute,
    timeWindow: 60_000,
    cache: COUNTED_CALLERS,
    enableDraftSpec: true,
    keyGenerator: (request) => callerOf(request, authentication),
    allowList: (_request, key) => key === EXEMPT,
    errorResponseBuilder: (_request, { ttl }) =>
      RateLimited({ limit_per_minute: perMinute, retry_after_seconds: Math.max(1, Math.ceil(ttl / 1000)) }),
  });
}

async function callerOf(request: FastifyRequest, authentication: RequestAuthentication): Promise<string> {
  if (isProbe(request)) return EXEMPT;
  // Why there is none is for the guard to say.
  const principal = await authentication.principal(request).catch(() => undefined);
  if (!principal) return `address:${request.ip}`;
  annotateContext({ project_id: principal.project_id, key_id: principal.key_id });
  return principal.kind === 'runner' ? EXEMPT : `key:${principal.key_id}`;
}

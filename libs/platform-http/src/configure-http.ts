import { RequestAuthentication } from '@holdfast/platform-auth';
import { Metrics } from '@holdfast/platform-telemetry';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { allowEveryOrigin } from './cors.js';
import type { DirectLane, DirectRoutes } from './direct-lane.js';
import { Draining } from './draining.service.js';
import { MethodNotAllowed, RouteNotFound } from './http.errors.js';
import { registerRateLimit } from './rate-limit.js';
import { measureRequests } from './request-duration.js';
import { registerRequestTrail } from './request-trail.js';
import { RouteMethods } from './route-methods.js';

/**
 * Sets up what every request passes before its handler, hijacked or not: request context, log line and metrics, base
 * headers, 404 and 405, the rate limit. Call it once, before `init` or `listen`.
 */
export async function configureHttp(
  app: NestFastifyApplication,
  { rateLimitPerMinute, direct }: { rateLimitPerMinute: number; direct?: { lane: DirectLane; routes: DirectRoutes } },
): Promise<void> {
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const metrics = app.get(Metrics);
  const authentication = app.get(RequestAuthentication);

  allowEveryOrigin(app);
  const duration = measureRequests(metrics);
  registerRequestTrail(fastify, duration);
  refuseUnknownRoutes(fastify);
  const spend = await registerRateLimit(fastify, authentication, rateLimitPerMinute);
  direct?.lane.open({ routes: direct.routes, authentication, spend, duration });
  countOpenResponses(app.get(Draining), metrics);
}

function refuseUnknownRoutes(fastify: FastifyInstance): void {
  const routes = new RouteMethods();
  // What answers preflights is on every path.
  fastify.addHook('onRoute', ({ url, method }) => {
    if (method !== 'OPTIONS') routes.add(url, method);
  });
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (!request.is404) return done();
    const allow = routes.at(request.url.split('?', 1)[0]!);
    done(allow.length > 0 ? MethodNotAllowed({ allow }) : RouteNotFound());
  });
}

function countOpenResponses(draining: Draining, metrics: Metrics): void {
  metrics.gauge({
    name: 'http_open_responses',
    help: 'Event streams and long-polls that are open now.',
    collect() {
      this.set(draining.openCount);
    },
  });
}

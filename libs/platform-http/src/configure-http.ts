import { RequestAuthentication } from '@holdfast/platform-auth';
import { Metrics } from '@holdfast/platform-telemetry';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { Draining } from './draining.service.js';
import { MethodNotAllowed, RouteNotFound } from './http.errors.js';
import { registerRateLimit } from './rate-limit.js';
import { takesRawBody } from './raw-bodies.js';
import { registerRequestTrail } from './request-trail.js';
import { RouteMethods } from './route-methods.js';

/**
 * Sets up what every request passes before its handler, hijacked or not: request context, log line and metrics, base
 * headers, 404 and 405, the rate limit. Call it once, before `init` or `listen`.
 */
export async function configureHttp(
  app: NestFastifyApplication,
  { rateLimitPerMinute }: { rateLimitPerMinute: number },
): Promise<void> {
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const metrics = app.get(Metrics);
  const authentication = app.get(RequestAuthentication);

  registerRequestTrail(fastify, metrics);
  refuseUnknownRoutes(fastify);
  await registerRateLimit(fastify, authentication, rateLimitPerMinute);
  refuseRawBodiesOfStrangers(fastify, authentication);
  countOpenResponses(app.get(Draining), metrics);
}

function refuseUnknownRoutes(fastify: FastifyInstance): void {
  const routes = new RouteMethods();
  fastify.addHook('onRoute', ({ url, method }) => routes.add(url, method));
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (!request.is404) return done();
    const allow = routes.at(request.url.split('?', 1)[0]!);
    done(allow.length > 0 ? MethodNotAllowed({ allow }) : RouteNotFound());
  });
}

/** Nest's guards run when the body is in memory; for the large ones that is too late to ask who sends it. */
function refuseRawBodiesOfStrangers(fastify: FastifyInstance, authentication: RequestAuthentication): void {
  fastify.addHook('preParsing', async (request) => {
    if (takesRawBody(request)) await authentication.principal(request);
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

import { Logger } from '@nestjs/common';
import {
  annotateContext,
  continueTrace,
  runInContext,
  type Metrics,
  type RequestContext,
} from '@holdfast/platform-telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { takesRawBody } from './raw-bodies.js';
import { setBaseHeaders } from './response-headers.js';

/** Asked every few seconds by machines; their lines and those of runners would drown the others. */
export function isProbe({ routeOptions: { url } }: FastifyRequest): boolean {
  return url === '/metrics' || url === '/health/live' || url === '/health/ready';
}

function isRunnerRoute({ routeOptions: { url } }: FastifyRequest): boolean {
  return url?.startsWith('/v1/admin/') ?? false;
}

/**
 * Gives every request its context, and its one log line and metric when its response is over, however it ends: Fastify's
 * `onResponse` would miss the callers that hang up. Streams and appends are too many for `info`; a failure has its line.
 */
export function registerRequestTrail(fastify: FastifyInstance, metrics: Metrics): void {
  const logger = new Logger('http');
  const duration = metrics.histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request to the end of its response, without event streams.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  });

  fastify.addHook('onRequest', (request, reply, done) => {
    const begin = performance.now();
    const context: RequestContext = {
      request_id: request.id,
      traceparent: continueTrace(request.headers.traceparent as string | undefined),
    };
    setBaseHeaders(request, reply);
    reply.raw.once('close', () => {
      const outcome = outcomeOf(request, reply, begin);
      if (!outcome.is_stream) {
        const { method, route, status } = outcome;
        duration.observe({ method, route, status }, outcome.duration_ms / 1000);
      }
      const isFrequent = outcome.is_stream || takesRawBody(request) || isRunnerRoute(request);
      const level = isFrequent && outcome.status < 400 ? 'debug' : 'log';
      if (!isProbe(request)) runInContext(context, () => logger[level]({ event: 'http.request', ...outcome }));
    });
    runInContext(context, () => {
      annotateContext(sessionIds(request));
      done();
    });
  });
}

function outcomeOf(request: FastifyRequest, reply: FastifyReply, begin: number) {
  return {
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    status: reply.raw.writableFinished || reply.raw.headersSent ? reply.raw.statusCode : 0,
    is_stream: String(reply.raw.getHeader('content-type') ?? '').startsWith('text/event-stream'),
    is_aborted: !reply.raw.writableFinished,
    duration_ms: Math.round(performance.now() - begin),
  };
}

function sessionIds({ params }: FastifyRequest): { session_id?: string; turn_id?: string } {
  const { session_id, turn_id } = (params ?? {}) as { session_id?: string; turn_id?: string };
  return { ...(session_id && { session_id }), ...(turn_id && { turn_id }) };
}

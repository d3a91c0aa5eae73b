import { Logger } from '@nestjs/common';
import type { RequestDuration } from './request-duration.js';
import { annotateContext, continueTrace, runInContext, type RequestContext } from '@holdfast/platform-telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
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
 * `onResponse` would miss the callers that hang up. Streams and what runners do are too many for `info`; a failure has its line.
 */
export function registerRequestTrail(fastify: FastifyInstance, duration: RequestDuration): void {
  const logger = new Logger('http');

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
      const isFrequent = outcome.is_stream || isRunnerRoute(request);
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

import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import { createServer, type RequestListener, type Server } from 'node:http';
import { answerClientError } from './client-errors.js';
import type { DirectLane } from './direct-lane.js';
import { MediaTypeUnsupported, RequestInvalid } from './http.errors.js';
import { findJsonFault } from './json-body.rules.js';
import type { JudgedEntries } from './judges-each.decorator.js';
import { MAX_PATH_SEGMENT, expectedError, problemHeaders, problemOf } from './problem.rules.js';
import { requestIdOf } from './request-id.js';
import { setBaseHeaders } from './response-headers.js';

const MIB = 1024 * 1024;

const REQUEST_TIMEOUT_MS = 60_000;

/** Longer than the minute after which most proxies in front give a connection up. */
const KEEP_ALIVE_MS = 72_000;

type ParseDone = (error: Error | null, body?: unknown) => void;

/** Fastify as this app uses it, behind the `lane` of what it never sees. */
export function createHttpAdapter({
  bodyLimitBytes = MIB,
  lane,
}: { bodyLimitBytes?: number; lane?: DirectLane } = {}): FastifyAdapter {
  const adapter = new FastifyAdapter({
    ...serverOptions(bodyLimitBytes),
    ...(lane && { serverFactory: (handler: RequestListener) => serverWith(lane, handler) }),
  });
  const fastify = adapter.getInstance();

  const parseJson = fastify.getDefaultJsonParser('remove', 'ignore');
  fastify.removeContentTypeParser('text/plain');
  adapter.useBodyParser('application/json', false, {}, (request, body: Buffer, done) => {
    // A POST without a body often says that it is JSON. What it lacks is for the validation to say.
    if (body.length === 0) return done(null, undefined);
    const json = body.toString();
    const { judgesEach } = request.routeOptions.config as JudgedEntries;
    parseJson(request, json, refuseFaults(json, judgesEach, done));
  });
  adapter.useBodyParser('*', false, {}, (_request, _body: Buffer, done) => done(MediaTypeUnsupported()));
  return adapter;
}

function serverOptions(bodyLimit: number): FastifyServerOptions {
  return {
    bodyLimit,
    // To receive a whole request. Answers may take as long as they like.
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    // Requests that a kept-alive connection brings while others finish are still served.
    return503OnClosing: false,
    routerOptions: { maxParamLength: MAX_PATH_SEGMENT },
    genReqId: ({ headers }) => requestIdOf(headers),
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerClientError,
  };
}

/** As Fastify would make it, but for the requests that the lane takes. */
function serverWith(lane: DirectLane, handler: RequestListener): Server {
  const server = createServer((request, response) => {
    if (!lane.takes(request, response)) handler(request, response);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  return server;
}

function refuseFaults(json: string, judgedByRoute: string | undefined, done: ParseDone): ParseDone {
  return (error, body) => {
    const fault = error ? undefined : findJsonFault(json, without(judgedByRoute, body));
    if (fault) done(RequestInvalid({ errors: [fault] }));
    else done(error, body);
  };
}

function without(field: string | undefined, body: unknown): unknown {
  const isEntryList = field !== undefined && Array.isArray((body as Record<string, unknown> | null)?.[field]);
  return isEntryList ? { ...(body as object), [field]: [] } : body;
}

/** The router refuses some URLs before there is a route or a hook. */
function answerFrameworkError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  setBaseHeaders(request, reply);
  const problem = problemOf(expectedError(error, 0), request.id);
  void reply.code(problem.status).headers(problemHeaders(problem)).send(JSON.stringify(problem));
}

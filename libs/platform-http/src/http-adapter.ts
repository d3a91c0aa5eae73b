import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { v7 as uuidv7 } from 'uuid';
import { answerClientError } from './client-errors.js';
import { MediaTypeUnsupported, RequestInvalid } from './http.errors.js';
import { findJsonFault } from './json-body.rules.js';
import { MAX_PATH_SEGMENT, expectedError, problemHeaders, problemOf } from './problem.rules.js';
import { RAW_BODY_LIMIT_BYTES, isRawBodyRoute, takesRawBody } from './raw-bodies.js';
import { setBaseHeaders } from './response-headers.js';

const MIB = 1024 * 1024;

/** A caller's request id goes into logs and problem bodies, so only plain ones are taken over. */
const REQUEST_ID = /^[A-Za-z0-9._~-]{1,128}$/;

type ParseDone = (error: Error | null, body?: unknown) => void;

/** Fastify as this app uses it. Routes below `RAW_BODY_PREFIX` get their bodies unparsed, up to 16 MiB. */
export function createHttpAdapter({ bodyLimitBytes = MIB }: { bodyLimitBytes?: number } = {}): FastifyAdapter {
  const adapter = new FastifyAdapter(serverOptions(bodyLimitBytes));
  const fastify = adapter.getInstance();
  fastify.addHook('onRoute', (route) => {
    if (isRawBodyRoute(route.url)) route.bodyLimit = RAW_BODY_LIMIT_BYTES;
  });

  const parseJson = fastify.getDefaultJsonParser('remove', 'ignore');
  fastify.removeContentTypeParser('text/plain');
  adapter.useBodyParser('application/json', false, {}, (request, body: Buffer, done) => {
    if (takesRawBody(request)) return done(null, body);
    // A POST without a body often says that it is JSON. What it lacks is for the validation to say.
    if (body.length === 0) return done(null, undefined);
    const json = body.toString();
    parseJson(request, json, refuseFaults(json, done));
  });
  adapter.useBodyParser('*', false, {}, (request, body: Buffer, done) => {
    if (takesRawBody(request)) done(null, body);
    else done(MediaTypeUnsupported());
  });
  return adapter;
}

function serverOptions(bodyLimit: number): FastifyServerOptions {
  return {
    bodyLimit,
    // To receive a whole request. Answers may take as long as they like.
    requestTimeout: 60_000,
    forceCloseConnections: 'idle',
    // Requests that a kept-alive connection brings while others finish are still served.
    return503OnClosing: false,
    routerOptions: { maxParamLength: MAX_PATH_SEGMENT },
    genReqId: requestIdOf,
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerClientError,
  };
}

function requestIdOf({ headers }: IncomingMessage): string {
  const id = headers['x-request-id'];
  return typeof id === 'string' && REQUEST_ID.test(id) ? id : uuidv7();
}

function refuseFaults(json: string, done: ParseDone): ParseDone {
  return (error, body) => {
    const fault = error ? undefined : findJsonFault(json, body);
    if (fault) done(RequestInvalid({ errors: [fault] }));
    else done(error, body);
  };
}

/** The router refuses some URLs before there is a route or a hook. */
function answerFrameworkError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  setBaseHeaders(request, reply);
  const problem = problemOf(expectedError(error, 0), request.id);
  void reply.code(problem.status).headers(problemHeaders(problem)).send(JSON.stringify(problem));
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import {
  requirePolicy,
  type ClosedPolicy,
  type Principal,
  type RequestAuthentication,
  type SessionRule,
} from '@holdfast/platform-auth';
import { isDomainError, type DomainError } from '@holdfast/platform-errors';
import { continueTrace, runInContext, type RequestContext } from '@holdfast/platform-telemetry';
import { beginResponse, isEventStream, writeHead } from './direct-response.js';
import { DatabaseUnavailable, MethodNotAllowed } from './http.errors.js';
import { expectedError, problemHeaders, problemOf } from './problem.rules.js';
import { callerAt, callerWith, type SpendRequest } from './rate-limit.js';
import type { RequestDuration } from './request-duration.js';
import { MAX_BODY_BYTES } from './request-bodies.js';
import { requestIdOf } from './request-id.js';

/** A request that was let in. */
export interface DirectRequest {
  raw: IncomingMessage;
  method: string;
  /** Without the query, as it was sent. */
  path: string;
  /** Without the question mark. */
  search: string;
  principal: Principal;
  /** Judges anew whether `principal` may have what this request asks for. Errors: as when it was let in. */
  admit: (principal: Principal) => Promise<void>;
}

/** What serves one kind of path. */
export interface DirectRoute {
  /** For logs and metrics: the same for all paths of the kind. */
  name: string;
  methods: Record<string, DirectMethod>;
}

export interface DirectMethod {
  policy: ClosedPolicy;
  /** The session or task that a request is of; without it no share may call. */
  session?: DirectSession;
  /** Answers, with the head written by `writeHead`, or throws what becomes a problem. */
  handle: (request: DirectRequest, response: ServerResponse) => Promise<void>;
}

/** What decorators say of an ordinary route (`OfSession`, `OfTask`), and what the guard does for one. */
export interface DirectSession {
  rule: SessionRule;
  /** Errors when it is out of reach, and for a share whose role is too low. */
  reach: (principal: Principal, path: string) => Promise<void>;
}

/** Which requests an app serves directly. */
export abstract class DirectRoutes {
  /** All that there are. */
  abstract readonly all: readonly DirectRoute[];
  abstract find(path: string): DirectRoute | undefined;
  /** What the problem says in headers, too. */
  abstract headersOf(error: DomainError): Record<string, string>;
}

interface Traffic {
  routes: DirectRoutes;
  authentication: RequestAuthentication;
  spend: SpendRequest;
  duration: RequestDuration;
}

/** A request that is not yet let in, with its answer. */
interface Arrival extends Omit<DirectRequest, 'principal' | 'admit'> {
  id: string;
  begin: number;
  route: DirectRoute;
  response: ServerResponse;
}

/** Preflights are for the framework, like everything that no route takes. */
const PREFLIGHT = 'OPTIONS';

/**
 * Serves the few routes whose cost per request matters without Fastify and Nest, which cost several times what the log
 * does. What every request passes it passes here too: base headers, credential, budget, policy, problem details, log
 * line and metric.
 */
export class DirectLane {
  private readonly logger = new Logger('http');
  private traffic: Traffic | undefined;

  /** From now on it takes what `routes` finds. */
  open(traffic: Traffic): void {
    this.traffic = traffic;
  }

  /** False when the request is not for here. */
  takes(raw: IncomingMessage, response: ServerResponse): boolean {
    if (!this.traffic || raw.method === PREFLIGHT) return false;
    const url = raw.url!;
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const route = this.traffic.routes.find(path);
    if (!route) return false;
    const search = mark < 0 ? '' : url.slice(mark + 1);
    const id = requestIdOf(raw.headers);
    beginResponse(response, id, raw.headers.origin !== undefined);
    void this.serve(this.traffic, {
      raw,
      response,
      method: raw.method!,
      path,
      search,
      id,
      begin: performance.now(),
      route,
    });
    return true;
  }

  private async serve(traffic: Traffic, arrival: Arrival): Promise<void> {
    const { raw, response, method, path, search, route } = arrival;
    try {
      const principal = traffic.authentication.known(raw) ?? (await this.authenticate(traffic, raw));
      traffic.spend(callerWith(principal));
      const operation = route.methods[method];
      if (!operation) throw MethodNotAllowed({ allow: Object.keys(route.methods) });
      const admit = admission(operation, path);
      await admit(principal);
      await operation.handle({ raw, method, path, search, principal, admit }, response);
    } catch (thrown) {
      this.refuse(traffic, arrival, thrown);
    }
    this.conclude(traffic, arrival);
  }

  private async authenticate({ authentication, spend }: Traffic, raw: IncomingMessage): Promise<Principal> {
    try {
      return await authentication.principal(raw);
    } catch (error) {
      // As much for what was good once: whoever asks again and again is to be slowed down.
      if (isDomainError(error)) spend(callerAt(raw.socket.remoteAddress ?? ''));
      throw error;
    }
  }

  private refuse({ routes }: Traffic, { raw, response, id }: Arrival, thrown: unknown): void {
    const error = expectedError(thrown, MAX_BODY_BYTES);
    const callerWentAway = raw.destroyed && !raw.complete;
    if (!error && !callerWentAway) {
      runInContext(contextOf(id, raw), () => this.logger.error({ event: 'http.request_failed', err: thrown }));
    }
    if (error?.code === DatabaseUnavailable.code && !callerWentAway) {
      runInContext(contextOf(id, raw), () => this.logger.warn({ event: 'http.database_unavailable', err: thrown }));
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const problem = problemOf(error, id);
    // What is left of the body would be taken for the next request.
    const closing: Record<string, string> = raw.complete ? {} : { connection: 'close' };
    const headers = { ...problemHeaders(problem), ...(error && routes.headersOf(error)), ...closing };
    writeHead(response, problem.status, headers).end(JSON.stringify(problem));
  }

  private conclude({ duration }: Traffic, { response, method, route, begin, id, raw }: Arrival): void {
    const { statusCode: status } = response;
    const seconds = (performance.now() - begin) / 1000;
    if (!isEventStream(response)) duration.observe({ method, route: route.name, status }, seconds);
    if (status < 400) return;
    runInContext(contextOf(id, raw), () =>
      this.logger.log({
        event: 'http.request',
        method,
        route: route.name,
        status,
        duration_ms: Math.round(seconds * 1000),
      }),
    );
  }
}

/** Lets in whom the policy of an operation takes, where they reach what the path names. */
export function admission({ policy, session }: DirectMethod, path: string): DirectRequest['admit'] {
  return async (principal) => {
    requirePolicy(policy, principal, session?.rule);
    await session?.reach(principal, path);
  };
}

const contextOf = (request_id: string, raw: IncomingMessage): RequestContext => ({
  request_id,
  traceparent: continueTrace(raw.headers['traceparent'] as string | undefined),
});

import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DatabaseUnavailable } from './http.errors.js';
import { expectedError, problemHeaders, problemOf } from './problem.rules.js';

/** Turns whatever was thrown into problem details, and logs what was not expected. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('http');

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const error = expectedError(thrown, request.routeOptions.bodyLimit);
    const callerWentAway = request.raw.destroyed && !request.raw.complete;
    if (!error && !callerWentAway) this.logger.error({ event: 'http.request_failed', err: thrown });
    if (error?.code === DatabaseUnavailable.code && !callerWentAway) {
      this.logger.warn({ event: 'http.database_unavailable', err: thrown });
    }

    // A handler that took the reply over had begun its own answer; a cut is the only honest end of it.
    if (reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    const problem = problemOf(error, request.id);
    const body = JSON.stringify(problem);
    if (reply.sent) reply.raw.writeHead(problem.status, problemHeaders(problem)).end(body);
    else void reply.code(problem.status).headers(problemHeaders(problem)).send(body);
  }
}

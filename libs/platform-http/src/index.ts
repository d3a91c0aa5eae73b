export { ApiProblems } from './api-problems.decorator.js';
export type { DocumentedError } from './api-problems.decorator.js';
export { AsSent } from './as-sent.decorator.js';
export { BlobStoreHealthCheck } from './blob-store.health-check.js';
export { configureHttp } from './configure-http.js';
export { decodeCursor, encodeCursor } from './cursors.js';
export type { CursorPart } from './cursors.js';
export { DatabaseHealthCheck } from './database.health-check.js';
export { admission, DirectLane, DirectRoutes } from './direct-lane.js';
export type { DirectMethod, DirectRequest, DirectRoute, DirectSession } from './direct-lane.js';
export { writeHead } from './direct-response.js';
export { Draining } from './draining.service.js';
export type { HealthCheck } from './health-check.js';
export { createHttpAdapter } from './http-adapter.js';
export { JudgesEach } from './judges-each.decorator.js';
export { isStorableText } from './json-body.rules.js';
export {
  BodyTooLarge,
  CursorMalformed,
  DatabaseUnavailable,
  IdempotencyKeyMalformed,
  JsonMalformed,
  MethodNotAllowed,
  NotReady,
  RequestInvalid,
  RequestMalformed,
  RouteNotFound,
  TooManyBodies,
  UrlTooLong,
} from './http.errors.js';
export type { RequestFault } from './http.errors.js';
export { HttpModule } from './http.module.js';
export { IdempotencyKey } from './idempotency-key.decorator.js';
export { LowerCase } from './lower-case.decorator.js';
export { MayBeAbsent } from './may-be-absent.decorator.js';
export { PageQuery } from './page-query.dto.js';
export { Problem, ProblemError } from './problem.dto.js';
export { problemOf, statusOf } from './problem.rules.js';
export { MAX_BODY_BYTES, readBody } from './request-bodies.js';
export { RequestValidationPipe } from './request-validation.pipe.js';

import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { isDomainError, type DomainError, type ErrorKind } from '@holdfast/platform-errors';
import { isDatabaseOutage } from '@holdfast/platform-postgres';
import {
  BodyTooLarge,
  DatabaseUnavailable,
  JsonMalformed,
  MediaTypeUnsupported,
  MethodNotAllowed,
  RequestMalformed,
  RouteNotFound,
  UrlTooLong,
} from './http.errors.js';
import type { Problem } from './problem.dto.js';

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** Percent-encoded characters of one path segment: a session id of 128 characters, each as `%XX`, and then some. */
export const MAX_PATH_SEGMENT = 1024;

/** The one table from what went wrong to HTTP's word for it. */
const STATUS_OF_KIND: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  gone: 410,
  'precondition-failed': 412,
  'precondition-required': 428,
  'too-large': 413,
  unsupported: 415,
  unprocessable: 422,
  'rate-limited': 429,
  unavailable: 503,
};

/** Statuses of HTTP itself, which no domain has a kind for. */
const STATUS_OF_CODE: Record<string, number> = { [MethodNotAllowed.code]: 405, [UrlTooLong.code]: 414 };

export const INTERNAL = { code: 'internal', status: 500, title: 'Internal error' };

export function statusOf({ code, kind }: { code: string; kind: ErrorKind }): number {
  return STATUS_OF_CODE[code] ?? STATUS_OF_KIND[kind];
}

/** What was thrown, in our words; undefined when nobody expects it. */
export function expectedError(thrown: unknown, bodyLimitBytes: number): DomainError | undefined {
  if (isDomainError(thrown)) return thrown;
  if (isDatabaseOutage(thrown)) return DatabaseUnavailable(undefined, { cause: thrown });
  const cause = thrown instanceof HttpException ? (thrown.cause ?? thrown) : thrown;
  const { code, statusCode } = (cause ?? {}) as { code?: string; statusCode?: number };
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return BodyTooLarge({ limit_bytes: bodyLimitBytes });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return MediaTypeUnsupported();
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return JsonMalformed();
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return UrlTooLong({ limit_characters: MAX_PATH_SEGMENT });
  }
  const ofFastify = code?.startsWith('FST_') ? statusCode : undefined;
  const status = thrown instanceof HttpException ? thrown.getStatus() : (ofFastify ?? 500);
  if (status === 404) return RouteNotFound();
  return status < 500 ? RequestMalformed({ reason: `${STATUS_CODES[status] ?? 'Bad request'}.` }) : undefined;
}

/** The body of an error response. Without an error it says nothing but that we failed: the cause is for the log. */
export function problemOf(error: DomainError | undefined, requestId: string): Problem {
  if (!error) {
    const detail = 'Something failed here. The log of this server has the cause under "instance".';
    return { type: typeOf(INTERNAL.code), ...INTERNAL, detail, instance: requestId };
  }
  const { code, title, message: detail, members } = error;
  return { ...members, type: typeOf(code), title, status: statusOf(error), detail, instance: requestId, code };
}

/** Headers that HTTP asks for beside some statuses. */
export function problemHeaders(problem: Problem): Record<string, string> {
  const { allow, retry_after_seconds } = problem as { allow?: string[]; retry_after_seconds?: number };
  return {
    'content-type': PROBLEM_MEDIA_TYPE,
    ...(problem.status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(allow && { allow: allow.join(', ') }),
    ...(retry_after_seconds !== undefined && { 'retry-after': String(retry_after_seconds) }),
  };
}

function typeOf(code: string): string {
  return `urn:holdfast:problem:${code}`;
}

import { applyDecorators } from '@nestjs/common';
import { ROUTE_ARGS_METADATA, RouteParamtypes } from '@nestjs/common/internal';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { CredentialKind, PermissionDenied, ShareEnded, Unauthenticated } from '@holdfast/platform-auth';
import type { ErrorKind } from '@holdfast/platform-errors';
import {
  BodyTooLarge,
  DatabaseUnavailable,
  IdempotencyKeyMalformed,
  JsonMalformed,
  MediaTypeUnsupported,
  RateLimited,
  RequestInvalid,
} from './http.errors.js';
import { takesIdempotencyKey } from './idempotency-key.decorator.js';
import { Problem } from './problem.dto.js';
import { INTERNAL, PROBLEM_MEDIA_TYPE, statusOf } from './problem.rules.js';

/** What documentation needs of an ErrorDefinition, whatever its facts. */
export interface DocumentedError {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly title: string;
}

const COMMON: DocumentedError[] = [
  RequestInvalid,
  Unauthenticated,
  PermissionDenied,
  CredentialKind,
  ShareEnded,
  RateLimited,
  DatabaseUnavailable,
];

const OF_BODIES: DocumentedError[] = [JsonMalformed, BodyTooLarge, MediaTypeUnsupported];

/**
 * Documents the errors of an operation, with those that any operation may answer, or any that takes what it takes: a
 * body, an Idempotency-Key. Each status lists its codes in the description and in `x-codes`; the schema stays the one
 * `Problem`, so that clients get one type for all of them.
 */
export function ApiProblems(...errors: DocumentedError[]): MethodDecorator {
  return (target, method, descriptor) => {
    const ofBodies = takesBody(target, method) ? OF_BODIES : [];
    const ofKeys = takesIdempotencyKey(target, method) ? [IdempotencyKeyMalformed] : [];
    document([...COMMON, ...ofBodies, ...ofKeys, ...errors])(target, method, descriptor);
  };
}

function document(errors: DocumentedError[]): MethodDecorator {
  const byStatus = new Map<number, { code: string; title: string }[]>([[INTERNAL.status, [INTERNAL]]]);
  for (const error of new Set(errors)) {
    const status = statusOf(error);
    byStatus.set(status, [...(byStatus.get(status) ?? []), error]);
  }
  const responses = [...byStatus].map(([status, entries]) =>
    ApiResponse({
      status,
      description: entries.map(({ code, title }) => `\`${code}\`: ${title}`).join('\n\n'),
      content: { [PROBLEM_MEDIA_TYPE]: { schema: { $ref: getSchemaPath(Problem) } } },
      ...{ 'x-codes': entries.map(({ code }) => code) },
    }),
  );
  return applyDecorators(ApiExtraModels(Problem), ...responses);
}

/** Parameters are decorated before their method. The keys are `{kind}:{index}`. */
function takesBody(target: object, method: string | symbol): boolean {
  const parameters = (Reflect.getMetadata(ROUTE_ARGS_METADATA, target.constructor, method) ?? {}) as object;
  return Object.keys(parameters).some((key) => key.startsWith(`${RouteParamtypes.BODY}:`));
}

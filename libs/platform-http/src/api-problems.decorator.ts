import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { CredentialKind, PermissionDenied, Unauthenticated } from '@holdfast/platform-auth';
import type { ErrorKind } from '@holdfast/platform-errors';
import { RateLimited, RequestInvalid } from './http.errors.js';
import { Problem } from './problem.dto.js';
import { INTERNAL, PROBLEM_MEDIA_TYPE, statusOf } from './problem.rules.js';

/** What documentation needs of an ErrorDefinition, whatever its facts. */
export interface DocumentedError {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly title: string;
}

const COMMON: DocumentedError[] = [RequestInvalid, Unauthenticated, PermissionDenied, CredentialKind, RateLimited];

/**
 * Documents the errors of an operation, with those that any operation may answer. Each status lists its codes in the
 * description and in `x-codes`; the schema stays the one `Problem`, so that clients get one type for all of them.
 */
export function ApiProblems(...errors: DocumentedError[]): MethodDecorator & ClassDecorator {
  const byStatus = new Map<number, { code: string; title: string }[]>([[INTERNAL.status, [INTERNAL]]]);
  for (const error of new Set([...COMMON, ...errors])) {
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

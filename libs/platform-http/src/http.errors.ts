import { defineError } from '@holdfast/platform-errors';

/** One thing that is wrong with a request: where (JSON Pointer, RFC 6901) and what. */
export interface RequestFault {
  pointer: string;
  detail: string;
}

/** One reference token of a JSON Pointer, with its slash. */
export function pointerStep(key: string): string {
  return `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

export const RequestInvalid = defineError<{ errors: RequestFault[] }>({
  code: 'request_invalid',
  kind: 'invalid',
  title: 'Invalid request',
  detail: () => 'The request does not have the documented shape. "errors" says what is wrong and where.',
  members: ({ errors }) => ({ errors }),
});

export const JsonMalformed = defineError({
  code: 'json_malformed',
  kind: 'invalid',
  title: 'Malformed JSON',
  detail: () => 'The body is not JSON.',
});

/** The HTTP itself is wrong, for example a Content-Length that does not match the body. */
export const RequestMalformed = defineError<{ reason: string }>({
  code: 'request_malformed',
  kind: 'invalid',
  title: 'Malformed request',
  detail: ({ reason }) => reason,
});

export const UrlTooLong = defineError<{ limit_characters: number }>({
  code: 'url_too_long',
  kind: 'too-large',
  title: 'URL too long',
  detail: ({ limit_characters }) => `A segment of the path may have ${limit_characters} characters.`,
  members: ({ limit_characters }) => ({ limit_characters }),
});

export const TooManyBodies = defineError<{ limit_bytes: number }>({
  code: 'too_many_bodies',
  kind: 'rate-limited',
  title: 'Too many bodies',
  detail: ({ limit_bytes }) =>
    `Bodies of ${limit_bytes} bytes are arriving at this process already. Retry after a moment.`,
  members: ({ limit_bytes }) => ({ limit_bytes }),
});

export const BodyTooLarge = defineError<{ limit_bytes: number }>({
  code: 'body_too_large',
  kind: 'too-large',
  title: 'Body too large',
  detail: ({ limit_bytes }) => `The body may have ${limit_bytes} bytes. Send less at a time.`,
  members: ({ limit_bytes }) => ({ limit_bytes }),
});

export const MediaTypeUnsupported = defineError({
  code: 'media_type_unsupported',
  kind: 'unsupported',
  title: 'Unsupported media type',
  detail: () => 'Send the body as "Content-Type: application/json".',
});

export const RouteNotFound = defineError({
  code: 'route_not_found',
  kind: 'not-found',
  title: 'No such route',
  detail: () => 'Nothing is served at this path.',
});

export const MethodNotAllowed = defineError<{ allow: string[] }>({
  code: 'method_not_allowed',
  kind: 'unsupported',
  title: 'Method not allowed',
  detail: ({ allow }) => `This path serves ${allow.join(', ')}.`,
  members: ({ allow }) => ({ allow }),
});

export const RateLimited = defineError<{ limit_per_minute: number; retry_after_seconds: number }>({
  code: 'rate_limited',
  kind: 'rate-limited',
  title: 'Too many requests',
  detail: ({ limit_per_minute, retry_after_seconds }) =>
    `${limit_per_minute} requests a minute are allowed. Try again in ${retry_after_seconds} s.`,
  members: (facts) => facts,
});

export const CursorMalformed = defineError({
  code: 'cursor_malformed',
  kind: 'invalid',
  title: 'Malformed cursor',
  detail: () => 'Send "cursor" exactly as "next_cursor" gave it, or leave it out to begin at the first page.',
});

export const IdempotencyKeyMalformed = defineError({
  code: 'idempotency_key_malformed',
  kind: 'invalid',
  title: 'Malformed Idempotency-Key',
  detail: () => 'Idempotency-Key takes 1 to 255 visible ASCII characters.',
});

/** Whether a write took place that was being committed is not known; an Idempotency-Key makes asking again safe. */
export const DatabaseUnavailable = defineError({
  code: 'database_unavailable',
  kind: 'unavailable',
  title: 'Database unavailable',
  detail: () =>
    'The database could not be reached, or the connection was lost. Send the request again, under the same Idempotency-Key where it has one.',
  members: () => ({ retry_after_seconds: 1 }),
});

export const NotReady = defineError<{ checks: Record<string, string> }>({
  code: 'not_ready',
  kind: 'unavailable',
  title: 'Not ready',
  detail: () => 'This process takes no requests now.',
  members: ({ checks }) => ({ checks }),
});

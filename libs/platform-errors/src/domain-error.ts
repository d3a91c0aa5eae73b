/** What went wrong, in the domain's words. platform-http owns the one table from kind to HTTP status. */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'gone'
  | 'precondition-failed'
  | 'precondition-required'
  | 'too-large'
  | 'unsupported'
  | 'unprocessable'
  | 'rate-limited'
  | 'unavailable';

/** Extra members of the problem body (RFC 9457 section 3.2), for example `{ limit_bytes: 1048576 }`. */
export type ErrorMembers = Record<string, unknown>;

/** An expected failure with a stable code. Compare by `code`, never by class or message. */
export class DomainError extends Error {
  constructor(
    readonly code: string,
    readonly kind: ErrorKind,
    /** The same for every occurrence of the code. */
    readonly title: string,
    /** This occurrence, and what to do next. */
    detail: string,
    readonly members: ErrorMembers = {},
    options?: ErrorOptions,
  ) {
    super(detail, options);
    this.name = 'DomainError';
  }
}

/** One entry of a library's error catalogue; calling it makes the error to throw. */
export interface ErrorDefinition<Facts> {
  (facts: Facts, options?: ErrorOptions): DomainError;
  readonly code: string;
  readonly kind: ErrorKind;
  readonly title: string;
}

/** Declares an error. `code` is lower snake_case and never changes once released. */
export function defineError<Facts = void>(definition: {
  code: string;
  kind: ErrorKind;
  title: string;
  detail: (facts: Facts) => string;
  members?: (facts: Facts) => ErrorMembers;
}): ErrorDefinition<Facts> {
  const { code, kind, title } = definition;
  const make = (facts: Facts, options?: ErrorOptions) =>
    new DomainError(code, kind, title, definition.detail(facts), definition.members?.(facts), options);
  return Object.assign(make, { code, kind, title });
}

/** Whether `error` is a DomainError, optionally of one code. Works across copies of this library. */
export function isDomainError(error: unknown, code?: string): error is DomainError {
  return error instanceof Error && error.name === 'DomainError' && (!code || (error as DomainError).code === code);
}

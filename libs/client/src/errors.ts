import type { Problem } from './generated/models/Problem.js';

/** The api refused a request. `code` is stable; docs/reference/errors.md lists them all. */
export class HoldfastError extends Error {
  override name = 'HoldfastError';
  readonly status: number;
  readonly code: string;
  /** Short text, the same for every occurrence of the code. */
  readonly title: string;
  /** What happened this time, and what to do about it. */
  readonly detail: string;
  /** The whole problem document (RFC 9457), with the members that only this code has. */
  readonly problem: Problem & Record<string, unknown>;
  /** How long the api asks to wait before the next try, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: Problem & Record<string, unknown>, retryAfterMs?: number) {
    super(problem.detail);
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No answer came: the api is down, the network is, or the connection broke. `cause` is what the platform said. */
export class HoldfastConnectionError extends Error {
  override name = 'HoldfastConnectionError';
}

/** Whether the same request may succeed a moment later without anybody changing anything. */
export function isPassing(error: unknown): boolean {
  if (error instanceof HoldfastError) return error.status >= 500 || [408, 425, 429].includes(error.status);
  return true;
}

/** The error of an answer that is no success. */
export async function refusalOf(response: Response): Promise<HoldfastError> {
  const retryAfterSeconds = Number(response.headers.get('retry-after') ?? NaN);
  const retryAfterMs = Number.isFinite(retryAfterSeconds) ? retryAfterSeconds * 1000 : undefined;
  const body: unknown = await response.json().catch(() => undefined);
  return new HoldfastError(isProblem(body) ? body : unexpectedAnswer(response), retryAfterMs);
}

/** For answers that no Holdfast api gives: most likely another server or a proxy stands at the URL. */
export function unexpectedAnswer(response: Response): Problem & Record<string, unknown> {
  const type = response.headers.get('content-type') ?? 'no content type';
  return {
    type: 'about:blank',
    title: 'Unexpected answer',
    status: response.status,
    detail: `${response.url} answered ${response.status} with ${type}. Is a Holdfast api there?`,
    instance: '',
    code: 'unexpected_answer',
  };
}

function isProblem(body: unknown): body is Problem & Record<string, unknown> {
  return typeof body === 'object' && body !== null && 'code' in body && 'detail' in body && 'status' in body;
}

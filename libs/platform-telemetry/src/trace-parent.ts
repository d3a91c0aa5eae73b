import { randomBytes } from 'node:crypto';
import { parseTraceParent } from '@opentelemetry/core';

/** The trace-flags of W3C Trace Context level 2: sampled and random. */
const KNOWN_FLAGS = 0b11;

/**
 * The W3C `traceparent` of our own span: the caller's trace goes on under a new span id.
 * A trace of our own begins when the header is absent or malformed.
 */
export function continueTrace(header: string | undefined): string {
  const parent = header === undefined ? null : parseTraceParent(header);
  const traceId = parent?.traceId ?? randomBytes(16).toString('hex');
  const flags = (parent?.traceFlags ?? 0) & KNOWN_FLAGS;
  return `00-${traceId}-${randomBytes(8).toString('hex')}-0${flags}`;
}

/** The trace id of a `traceparent` that `continueTrace` made. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

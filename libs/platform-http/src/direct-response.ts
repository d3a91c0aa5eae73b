import type { ServerResponse } from 'node:http';
import { EXPOSED_HEADERS } from './cors.js';
import { BASE_HEADERS } from './response-headers.js';

/** What is known of a response that the lane gives, beside what Node keeps. */
interface Begun {
  request_id: string;
  /** Whether a page of some origin asks, so that a browser decides what the page may see. */
  isOfPage: boolean;
  isEventStream: boolean;
}

/** On the response itself: a WeakMap of all that are under way costs more, most of it when garbage is collected. */
const BEGUN = Symbol('begun');

type LaneResponse = ServerResponse & { [BEGUN]?: Begun };

export function beginResponse(response: LaneResponse, request_id: string, isOfPage: boolean): void {
  response[BEGUN] = { request_id, isOfPage, isEventStream: false };
}

export function isEventStream(response: LaneResponse): boolean {
  return response[BEGUN]?.isEventStream ?? false;
}

const ALWAYS = [
  ...BASE_HEADERS.filter(([name]) => name !== 'cache-control').flat(),
  'access-control-allow-origin',
  '*',
  'x-request-id',
];

/**
 * Writes the head of a response. Those of the lane get the headers that every response has, all in one go: setting them
 * one by one costs more than an append is judged in. Others have got them before.
 */
export function writeHead(
  response: LaneResponse,
  status: number,
  headers: Record<string, string | number>,
): ServerResponse {
  const state = response[BEGUN];
  if (!state) return response.writeHead(status, headers);
  const lines: (string | number)[] = [...ALWAYS, state.request_id];
  if (state.isOfPage) lines.push('access-control-expose-headers', EXPOSED_HEADERS.join(', '));
  for (const name in headers) lines.push(name, headers[name]!);
  if (headers['cache-control'] === undefined) lines.push('cache-control', 'no-store');
  state.isEventStream = headers['content-type'] === 'text/event-stream';
  return response.writeHead(status, lines as string[]);
}

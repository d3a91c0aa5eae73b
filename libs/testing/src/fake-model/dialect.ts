import type { ModelApi, ModelReply, ModelRequest } from './conversation.js';
import type { ShellCall } from './script.js';

/** A server-sent event (data that is no object goes out as it is), or a pause in milliseconds before the next one. */
export type StreamStep = { event?: string; data: object | string } | { pause: number };

/** One model API: how it says the same things on the wire. */
export interface Dialect {
  readonly api: ModelApi;
  /** Matches the paths, without their query, that requests to the model arrive at. */
  readonly path: RegExp;
  /** Matches the paths at which tokens are counted; `count` makes the answer. */
  readonly counting?: { path: RegExp; count(body: unknown): object };
  read(body: unknown, path: string): ModelRequest;
  /** The shell tool among `tools`, as this API's harness declares it. */
  shell(tools: string[]): ShellCall;
  stream(request: ModelRequest, reply: ModelReply): Iterable<StreamStep>;
  /** The answer to a request that does not stream. */
  whole(request: ModelRequest, reply: ModelReply): object;
  failure(status: number): object;
}

/** Text in the small pieces in which a model streams it. */
export function* textChunks(text: string): Iterable<string> {
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at += 24) yield characters.slice(at, at + 24).join('');
}

/** A count in the right order of magnitude; nothing depends on its value. */
export function tokens(value: unknown): number {
  return Math.ceil(JSON.stringify(value).length / 4);
}

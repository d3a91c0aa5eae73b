import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { unlessAborted } from './api-fetch.js';
import { ConnectionGuard } from './connection-guard.js';
import { HoldfastConnectionError, HoldfastError, unexpectedAnswer } from './errors.js';

/**
 * The Server-Sent Events that answer one request, until the api or the network ends them. An event that was cut off is
 * none. `send` throws whatever is no success.
 */
export async function* readEvents(
  send: typeof fetch,
  url: string,
  init: RequestInit,
  signal?: AbortSignal,
): AsyncGenerator<EventSourceMessage, void, undefined> {
  const guard = new ConnectionGuard(signal);
  const received: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => received.push(message) });
  const decoder = new TextDecoder();
  try {
    guard.signal.throwIfAborted();
    guard.listen();
    const response = await send(url, { ...init, signal: guard.signal });
    const reader = bodyOf(response).getReader();
    for (;;) {
      guard.listen();
      const { done, value } = await unlessAborted(guard.signal, () => reader.read());
      guard.heard();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* received.splice(0);
    }
  } catch (error) {
    throw guard.signal.aborted ? guard.signal.reason : error;
  } finally {
    guard.end();
  }
}

function bodyOf(response: Response): ReadableStream<Uint8Array> {
  const isStream = /^text\/event-stream\b/.test(response.headers.get('content-type') ?? '');
  if (!isStream) throw new HoldfastError(unexpectedAnswer(response));
  if (!response.body) throw new HoldfastConnectionError('The answer has no body.');
  return response.body;
}

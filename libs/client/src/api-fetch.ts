import { HoldfastConnectionError, HoldfastError, refusalOf, unexpectedAnswer } from './errors.js';

/** `send`, but whatever is no success is thrown: HoldfastError, HoldfastConnectionError, or the reason of an abort. */
export function throwingFetch(send: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await unlessAborted(init?.signal, () => send(input, init));
    if (response.ok) return endingWith(init?.signal, response);
    throw await unlessAborted(init?.signal, () => refusalOf(response));
  };
}

/**
 * `response`, whose body breaks when `signal` aborts. Node's fetch does not promise that: a body that ends or breaks at
 * the moment of the abort may leave its reader waiting for ever.
 */
function endingWith(signal: AbortSignal | null | undefined, response: Response): Response {
  if (!signal || !response.body) return response;
  const reader = response.body.getReader();
  let abort = () => {};
  const forget = () => signal.removeEventListener('abort', abort);
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        abort = () => {
          forget();
          controller.error(signal.reason);
          reader.cancel(signal.reason).catch(() => undefined);
        };
        signal.addEventListener('abort', abort);
        if (signal.aborted) abort();
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (signal.aborted) return;
          if (!done) return controller.enqueue(value);
          forget();
          controller.close();
        } catch (error) {
          forget();
          throw error;
        }
      },
      cancel(reason) {
        forget();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, response);
}

/** Reads each answer to its end, so that a connection that breaks in the middle is a connection error too. */
export function wholeJsonFetch(send: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await send(input, init);
    const body = await unlessAborted(init?.signal, () => response.arrayBuffer());
    if (!/\bjson\b/.test(response.headers.get('content-type') ?? '')) {
      throw new HoldfastError(unexpectedAnswer(response));
    }
    return new Response(body, response);
  };
}

/** A failure of `act` as a connection error, unless the caller wanted it. */
export async function unlessAborted<T>(signal: AbortSignal | null | undefined, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new HoldfastConnectionError(`The connection failed: ${reasonOf(error)}`, { cause: error });
  }
}

/** Node says only "fetch failed" and keeps the reason one level down. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } };
  return cause?.message || cause?.code || message || String(error);
}

import { HoldfastConnectionError, HoldfastError, refusalOf, unexpectedAnswer } from './errors.js';

/** `send`, but whatever is no success is thrown: HoldfastError, HoldfastConnectionError, or the reason of an abort. */
export function throwingFetch(send: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await unlessAborted(init?.signal, () => send(input, init));
    if (response.ok) return response;
    throw await unlessAborted(init?.signal, () => refusalOf(response));
  };
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

import { HoldfastConnectionError } from './errors.js';

/** The api ends each connection after about a minute, so a longer silence means that nobody is there any more. */
const SILENCE_MS = 75_000;

/** Aborts a connection with its caller's signal, and when it stays silent for longer than the api ever does. */
export class ConnectionGuard {
  private readonly connection = new AbortController();
  private readonly abort = () => this.connection.abort(this.caller?.reason);
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly caller?: AbortSignal) {
    caller?.addEventListener('abort', this.abort, { once: true });
    if (caller?.aborted) this.abort();
  }

  get signal(): AbortSignal {
    return this.connection.signal;
  }

  /** What the api sends is awaited from now on, until `heard`. */
  listen(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.connection.abort(silent()), SILENCE_MS);
  }

  heard(): void {
    clearTimeout(this.silence);
  }

  /** Ends the connection. */
  end(): void {
    clearTimeout(this.silence);
    this.caller?.removeEventListener('abort', this.abort);
    this.connection.abort();
  }
}

const silent = () => new HoldfastConnectionError(`The connection was silent for ${SILENCE_MS / 1000} s.`);

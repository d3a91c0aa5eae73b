import { keepConnected, type ConnectionOptions } from './keep-connected.js';
import { connect, readPage, type LogSource } from './log-connection.js';
import { withOffsets, type LoggedEvent } from './session-event.js';

export interface FollowOptions extends ConnectionOptions {
  /** `-1` (start, the default), `now`, or an offset of an earlier event. */
  offset?: string;
}

export interface ReadOptions {
  /** `-1` (start, the default) or an offset of an earlier event. */
  offset?: string;
  signal?: AbortSignal;
}

/** Every event from `offset` to where the log ends now. */
export async function* readLog(source: LogSource, options: ReadOptions): AsyncGenerator<LoggedEvent, void, undefined> {
  let offset = options.offset ?? '-1';
  for (;;) {
    const page = await readPage(source, offset, options.signal);
    yield* withOffsets(page.events, page.offset);
    if (page.upToDate) return;
    offset = page.offset;
  }
}

/** Every event from `offset` on, once and in order, across connections, until `signal` aborts. */
export async function* followLog<Message>(
  source: LogSource,
  { offset = '-1', ...options }: FollowOptions,
): AsyncGenerator<LoggedEvent<Message>, void, undefined> {
  for await (const batch of keepConnected(() => connect<Message>(source, offset, options.signal), options)) {
    for (const logged of withOffsets(batch.items, batch.offset)) {
      yield logged;
      if (options.signal?.aborted) return;
    }
    offset = batch.offset;
  }
}

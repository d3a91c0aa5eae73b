import type { LoggedEvent } from './session-event.js';

const TURN_END = /^turn\.(completed|failed|cancelled|superseded|merged|paused|lost)$/;

/** The events of one turn out of those of its session, until the one that ends it. */
export async function* eventsOfTurn(
  turn_id: string,
  events: AsyncIterable<LoggedEvent>,
): AsyncGenerator<LoggedEvent, void, undefined> {
  for await (const logged of events) {
    if (logged.event.turn_id !== turn_id) continue;
    yield logged;
    if (TURN_END.test(logged.event.type)) return;
  }
}

/** The same for a watcher, until another one displaces it. What came before its own attaching displaces nobody. */
export async function* eventsForWatcher(
  watcher_id: string,
  events: AsyncIterable<LoggedEvent>,
): AsyncGenerator<LoggedEvent, void, undefined> {
  let isAttached = false;
  for await (const logged of events) {
    yield logged;
    const { type, data } = logged.event;
    if (type !== 'session.watcher_changed') continue;
    if (data['watcher_id'] === watcher_id) isAttached = true;
    else if (isAttached && data['watcher_id'] !== null) return;
  }
}

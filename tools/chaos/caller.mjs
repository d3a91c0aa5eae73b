import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { deadline } from './deadline.mjs';

const PATIENCE_MS = 15_000;
const PAUSE_MS = 500;
/** After so long without an answer nobody knows what became of a command. */
const GIVE_UP_MS = 60_000;

/**
 * Calls the api as a careful client does: every command under an Idempotency-Key, sent again until it is answered. An
 * answer is `{ status, body, tries }`; undefined when none came. A 5xx that names no code of ours, and a plain 503, are no
 * answers; `not_started` is one.
 */
export function newCaller({ url, apiKey, signal }) {
  async function once(method, path, body, key) {
    const patience = deadline(PATIENCE_MS, signal);
    try {
      const response = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${apiKey}`,
          ...(body && { 'content-type': 'application/json' }),
          ...(key && { 'idempotency-key': key }),
        },
        body: body && JSON.stringify(body),
        signal: patience.signal,
      });
      return { status: response.status, body: await response.json() };
    } finally {
      patience.clear();
    }
  }

  return {
    async post(path, body) {
      const key = randomUUID();
      const endsAt = Date.now() + GIVE_UP_MS;
      for (let tries = 1; Date.now() < endsAt && !signal.aborted; tries += 1) {
        const answer = await once('POST', path, body, key).catch(() => undefined);
        if (answer && (answer.status < 500 || answer.body?.code === 'not_started')) return { ...answer, tries };
        await sleep(PAUSE_MS);
      }
      return undefined;
    },
    /** Asked once. */
    get: (path) => once('GET', path).catch(() => undefined),
    /**
     * The events of a command that is answered by them, `{ event, data }` each, until the answer ends or breaks, `onEvent`
     * says that it is enough, or `until` aborts. Gives `{ status, body }`; undefined without an answer.
     */
    async stream(path, body, onEvent, until) {
      const leaving = new AbortController();
      const leave = () => leaving.abort();
      for (const end of [signal, until]) end.addEventListener('abort', leave);
      if (until.aborted) leave();
      try {
        const response = await fetch(url + path, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${apiKey}`,
            'content-type': 'application/json',
            'idempotency-key': randomUUID(),
          },
          body: JSON.stringify(body),
          signal: leaving.signal,
        });
        if (response.status >= 500) return undefined;
        if (response.status !== 200) return { status: response.status, body: await response.json() };
        await Promise.race([readFrames(response.body, onEvent, leave), aborted(leaving.signal)]);
        return { status: 200 };
      } catch {
        return leaving.signal.aborted ? { status: 200 } : undefined;
      } finally {
        for (const end of [signal, until]) end.removeEventListener('abort', leave);
      }
    },
  };
}

async function readFrames(body, onEvent, leave) {
  let text = '';
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const frames = text.split('\n\n');
    text = frames.pop();
    for (const frame of frames) if (!onEvent(frameOf(frame))) leave();
  }
}

/** Node's fetch may leave a reader waiting whose answer ends at the moment of the abort; then only this ends the wait. */
function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function frameOf(frame) {
  const field = (name) =>
    frame
      .split('\n')
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).replace(/^ /, ''))
      .join('\n');
  return { event: field('event'), data: field('data') };
}

import type { SessionEvent } from '@holdfast/client';
import type { Stack } from './stack.js';

/** One Server-Sent Event. */
export interface TurnNews {
  event: string;
  data: unknown;
}

/** The answer to an invoke that is not detached, as it comes. */
export interface TurnStream {
  status: number;
  headers: Headers;
  /** What has come so far. */
  news: TurnNews[];
  /** Messages of the log among it. */
  events(): SessionEvent[];
  /** The next event of a kind that has not been waited for; undefined when the answer ends first. */
  next(event: string): Promise<TurnNews | undefined>;
  /** Resolves when the answer has ended. */
  ended: Promise<void>;
  leave(): void;
}

export const postInvoke = (stack: Stack, body: object, init: { key?: string; headers?: object; url?: string } = {}) =>
  fetch(`${init.url ?? stack.url}/v1/sessions/streams/invoke`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${init.key ?? stack.keys.api_key}`,
      'content-type': 'application/json',
      ...init.headers,
    },
    body: JSON.stringify(body),
  });

/** Invokes and stays for the events. Fails when the answer is no stream of events. */
export async function stay(
  stack: Stack,
  body: object,
  init: Parameters<typeof postInvoke>[2] = {},
): Promise<TurnStream> {
  const response = await postInvoke(stack, body, init);
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    throw new Error(`${response.status} ${await response.text()}`);
  }
  const reader = response.body!.getReader();
  const news: TurnNews[] = [];
  const waiting = new Set<() => void>();
  let isOver = false;
  const wakeAll = () => {
    for (const wake of waiting) wake();
    waiting.clear();
  };

  const ended = (async () => {
    let text = '';
    const decoder = new TextDecoder();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        text += decoder.decode(value, { stream: true });
        const frames = text.split('\n\n');
        text = frames.pop()!;
        for (const frame of frames) {
          const [, event, data] = /^event: (\w+)\ndata: ?(.*)$/s.exec(frame) ?? [];
          if (event) news.push({ event, data: JSON.parse(data!) });
        }
        wakeAll();
      }
    } finally {
      isOver = true;
      wakeAll();
    }
  })();
  ended.catch(() => undefined);

  let seen = 0;
  return {
    status: response.status,
    headers: response.headers,
    news,
    ended,
    events: () => news.flatMap(({ event, data }) => (event === 'data' ? (data as SessionEvent[]) : [])),
    async next(event) {
      for (;;) {
        while (seen < news.length) if (news[seen++]!.event === event) return news[seen - 1];
        if (isOver) return undefined;
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
    },
    leave: () => void reader.cancel().catch(() => undefined),
  };
}

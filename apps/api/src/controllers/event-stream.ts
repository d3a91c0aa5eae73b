import { once } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { ViewerSink } from '@holdfast/sessions-streams';

/** How long a viewer may take nothing before it is dropped; it can go on by offset. */
const STALLED_MS = 30_000;

/** A reply that becomes a stream of Server-Sent Events once `start` is called. */
export function openEventStream(reply: FastifyReply, gone: AbortSignal) {
  let started = false;
  return {
    get started() {
      return started;
    },
    start(): ViewerSink {
      started = true;
      // Headers that hooks have set stay; after hijack() no hook runs any more.
      const headers = reply.getHeaders() as OutgoingHttpHeaders;
      reply.hijack();
      reply.raw.writeHead(200, {
        ...headers,
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      });
      reply.raw.flushHeaders();
      return {
        write: async (frame) => {
          if (reply.raw.destroyed) throw new Error('the viewer is gone');
          if (reply.raw.write(frame)) return;
          const stalled = AbortSignal.timeout(STALLED_MS);
          await once(reply.raw, 'drain', { signal: AbortSignal.any([gone, stalled]) });
        },
      };
    },
    end(): void {
      if (started) reply.raw.end();
    },
    /** For a viewer that takes nothing: an orderly end would wait for it. */
    cut(): void {
      reply.raw.destroy();
    },
  };
}

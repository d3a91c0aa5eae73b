import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable, Logger } from '@nestjs/common';
import type { View, ViewEnd } from '@holdfast/durable-streams';
import { Draining } from '@holdfast/platform-http';
import { EventStream } from './event-stream.js';
import { LiveGrants, type ViewGrant } from './live-grants.js';
import { openRequest } from './open-request.js';
import { ViewerLimit } from './viewer-limit.js';

/** Connections end after about a minute, so that proxies and grants get a fresh look; the client goes on by offset. */
const SSE_LIFETIME_MS = 60_000;

/** Serves views as Server-Sent Events: each takes a place among the viewers of this process until it is over. */
@Injectable()
export class LiveViews {
  private readonly logger = new Logger('LiveViews');

  constructor(
    private readonly draining: Draining,
    private readonly limit: ViewerLimit,
    private readonly grants: LiveGrants,
  ) {}

  /** Ends with the view, its caller, what lets them see it, or this process. Errors: too_many_viewers, and those of `show` before it starts the stream. */
  async serve(
    raw: IncomingMessage,
    response: ServerResponse,
    grant: ViewGrant,
    show: (view: View, stream: EventStream) => Promise<ViewEnd>,
  ): Promise<void> {
    const leave = this.limit.enter();
    const watching = openRequest(raw, this.draining);
    const held = this.grants.hold(grant);
    const stream = new EventStream(response);
    try {
      const signal = AbortSignal.any([watching.signal, held.signal]);
      const end = await show({ lifetimeMs: SSE_LIFETIME_MS, signal }, stream);
      this.limit.count(end);
      if (end === 'too_slow') stream.drop();
      else stream.end();
    } catch (error) {
      if (!stream.started) throw error;
      this.logger.debug({ event: 'log.view_cut', err: error });
      this.limit.count('failed');
      stream.cut();
    } finally {
      held.done();
      watching.done();
      leave();
    }
  }
}

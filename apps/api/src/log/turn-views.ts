import { Injectable, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LogWatcher, SseFrame, type View, type ViewEnd, type ViewerSink } from '@holdfast/durable-streams';
import { principalOf, requirePolicy, SessionAccess, type Principal, type SessionRule } from '@holdfast/platform-auth';
import type { SessionKey } from '@holdfast/platform-postgres';
import { DetachWatcherFlow, type WatcherConnection } from '@holdfast/sessions';
import { sessionLogKey, type SessionStreamInvoked } from '@holdfast/sessions-streams';
import type { ViewGrant } from './live-grants.js';
import { LiveViews } from './live-views.js';
import { takeOver } from './take-over.js';
import { sseEvent, TurnFrames } from './turn-frames.js';

/** A turn may take long, so its view may; who may see it is looked at again all the while. */
const LIFETIME_MS = 60 * 60_000;

/** What somebody watches, and over which of its connections. */
interface Watched {
  invoked: SessionStreamInvoked;
  connection?: WatcherConnection;
}

interface Watcher {
  watcher_id: string;
  connection?: WatcherConnection;
}

/** The answer to an invoke that is not detached: the turn's events, from the log, until it ends. */
@Injectable()
export class TurnViews {
  private readonly logger = new Logger('TurnViews');

  constructor(
    private readonly watcher: LogWatcher,
    private readonly views: LiveViews,
    private readonly access: SessionAccess,
    private readonly detachFlow: DetachWatcherFlow,
  ) {}

  /**
   * Invokes once there is room for the view, and shows what it made. Whoever goes away before the end is detached, and the
   * turn runs on. Errors before the stream begins: too_many_viewers, those of `invoke`.
   */
  async serve(
    request: FastifyRequest,
    reply: FastifyReply,
    session: SessionKey,
    invoke: () => Promise<Watched>,
  ): Promise<void> {
    let watcher: Watcher | undefined;
    try {
      await this.views.serve(request.raw, reply.raw, this.grantOf(request, session), async (view, stream) => {
        const { invoked, connection } = await invoke();
        if (invoked.watcher_id !== null) watcher = { watcher_id: invoked.watcher_id, connection };
        const start = () => {
          takeOver(reply);
          const sink = stream.start({});
          sink.write(new SseFrame(Buffer.from(sseEvent('invoked', invoked))));
          return sink;
        };
        return this.show(request.id, session, invoked, view, start, () => (watcher = undefined));
      });
    } finally {
      if (watcher) await this.detach(session, watcher);
    }
  }

  private show(
    requestId: string,
    session: SessionKey,
    invoked: SessionStreamInvoked,
    view: View,
    start: () => ViewerSink,
    onEnd: () => void,
  ): Promise<ViewEnd> {
    const over = new AbortController();
    const frames = new TurnFrames(invoked, requestId, () => {
      onEnd();
      over.abort();
    });
    const wanted = [{ key: sessionLogKey(session), offset: invoked.offset }];
    const signal = AbortSignal.any([view.signal, over.signal]);
    return this.watcher.watch(wanted, { lifetimeMs: LIFETIME_MS, signal }, frames, start);
  }

  /** Whoever may invoke and see what comes of it. */
  private grantOf(request: FastifyRequest, { session_id }: SessionKey): ViewGrant {
    return {
      headers: request.headers,
      principal: principalOf(request),
      admit: async (principal) => {
        requireViewOfTurns(principal);
        await this.access.require(principal, session_id, 'executor');
      },
      session_ids: [session_id],
    };
  }

  private async detach(session: SessionKey, { watcher_id, connection }: Watcher): Promise<void> {
    try {
      await this.detachFlow.run(session, watcher_id, connection);
    } catch (error) {
      // It stays the watcher until the turn ends, or another one comes.
      this.logger.warn({ event: 'turn_view.detach_failed', session_id: session.session_id, err: error });
    }
  }
}

const OF_SESSION: SessionRule = { of: 'session', place: { in: 'body', name: 'session_id' } };

/** To stay and watch takes both. Errors: credential_kind, permission_denied. */
export function requireViewOfTurns(principal: Principal): void {
  requirePolicy({ for: 'user', permission: 'RUN_SESSIONS' }, principal, OF_SESSION);
  requirePolicy({ for: 'user', permission: 'VIEW_SESSIONS' }, principal, OF_SESSION);
}

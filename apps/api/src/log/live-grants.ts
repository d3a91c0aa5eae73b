import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { RequestAuthentication, ShareCredentials, type Principal } from '@holdfast/platform-auth';
import { isDomainError } from '@holdfast/platform-errors';
import { ParticipantPresence } from '@holdfast/sessions-sharing';

/** How often a grant is looked at again while a view by it is open, in milliseconds. */
export const GRANT_CHECK_MS = Symbol('GRANT_CHECK_MS');

/** By what somebody looks at something, and goes on looking. */
export interface ViewGrant {
  /** With the credential, which is read anew each time. */
  headers: IncomingHttpHeaders;
  principal: Principal;
  /** Judges whether whoever has the credential now may see this. Errors: what a new request would be answered with. */
  admit: (principal: Principal) => Promise<void>;
  /** What is looked at, where others see who looks. */
  session_ids: string[];
}

/** A grant that is looked at again and again until `done` is called. */
export interface LiveGrant {
  /** Aborts when it holds no more, for the reason that is its `reason`. */
  signal: AbortSignal;
  done: () => void;
}

/**
 * Holds open views to what lets them see: again each few seconds, and at once where it is a share that changes. Nobody is
 * sent away while nobody can say.
 */
@Injectable()
export class LiveGrants {
  private readonly logger = new Logger('LiveGrants');

  constructor(
    private readonly authentication: RequestAuthentication,
    private readonly shares: ShareCredentials,
    private readonly presence: ParticipantPresence,
    @Inject(GRANT_CHECK_MS) private readonly everyMs: number,
  ) {}

  hold(grant: ViewGrant): LiveGrant {
    const lost = new AbortController();
    const check = () => void this.check(grant, lost);
    const timer = setInterval(check, this.everyMs).unref();
    const stopHearing = this.hear(grant.principal, check);
    return {
      signal: lost.signal,
      done: () => {
        clearInterval(timer);
        stopHearing();
      },
    };
  }

  /** What happened since the view was let in is not told: so a share's is looked at once more. */
  private hear(principal: Principal, check: () => void): () => void {
    if (principal.kind !== 'share') return () => undefined;
    const { share_id } = principal.share;
    const stop = this.shares.onChange((changed) => {
      if (changed === undefined || changed === share_id) check();
    });
    check();
    return stop;
  }

  private async check({ headers, admit, session_ids }: ViewGrant, lost: AbortController): Promise<void> {
    try {
      const principal = await this.authentication.principal({ headers });
      await admit(principal);
      await this.presence.seen(principal, session_ids);
    } catch (error) {
      if (isDomainError(error)) lost.abort(error);
      else this.logger.warn({ event: 'live_grant.check_failed', err: error });
    }
  }
}

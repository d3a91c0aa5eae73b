import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { SharesService } from '@holdfast/sessions-sharing';

/** What ended a session as the host of its shares. */
export type HostEnd = 'killed' | 'runner_lost' | 'archived' | 'deleted';

/**
 * Ends what was shared of a session, where that ends, and nothing else: not what is shared of its ancestors or descendants.
 * Call with the session's fence locked.
 */
@Injectable()
export class EndHost {
  constructor(private readonly shares: SharesService) {}

  async within(tx: Transaction, session: SessionKey, reason: HostEnd): Promise<void> {
    await this.shares.endOfHost(tx, session, reason, null);
  }
}

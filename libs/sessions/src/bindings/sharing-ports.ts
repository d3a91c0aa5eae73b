import { Injectable } from '@nestjs/common';
import { SessionFences, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { SharedSessions, SharingLog, type SharingEvent } from '@holdfast/sessions-sharing';
import { SessionLogService } from '@holdfast/sessions-streams';

/** Who shares, joins and asks are events of the session's log. */
@Injectable()
export class SessionSharingLog extends SharingLog {
  constructor(private readonly log: SessionLogService) {
    super();
  }

  append(tx: Transaction, session: SessionKey, { type, data }: SharingEvent): void {
    this.log.appendWithin(tx, session, { type, turn_id: null, data }, { if_present: true });
  }
}

/** A session is there as long as its fence is held. */
@Injectable()
export class HeldSessions extends SharedSessions {
  constructor(private readonly fences: SessionFences) {
    super();
  }

  hold(tx: Transaction, session: SessionKey): Promise<void> {
    return this.fences.share(tx, session);
  }
}

import type { SessionKey, Transaction } from '@holdfast/platform-postgres';

/** A fact of sharing, as an event of a session's log. */
export interface SharingEvent {
  type: string;
  data: object;
}

/** The logs of sessions. */
export abstract class SharingLog {
  /** In the commit of the fact. */
  abstract append(tx: Transaction, session: SessionKey, event: SharingEvent): void;
}

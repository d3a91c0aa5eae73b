import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { SavedConversations, type SavedConversation } from '@holdfast/sessions-streams';
import { newestConversation } from '@holdfast/sessions-transcripts';

/** Turns go on with what was saved last of the native transcripts of their session. */
@Injectable()
export class SavedNativeConversations extends SavedConversations {
  newest(tx: Transaction, session: SessionKey): Promise<SavedConversation | null> {
    return newestConversation(tx, session);
  }
}

import { Injectable } from '@nestjs/common';
import { UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { NativeRemovalRepository } from './native/native-removal.repository.js';
import { SessionRecordsRepository } from './session-records.repository.js';

/** Rows that one transaction removes at most. */
const STEP_ROWS = 1_000;

/**
 * Removes the transcripts of deleted sessions: at once from everybody's sight, in the transaction that deletes the
 * session, then row by row. Each step commits by itself, so whoever is cut off is gone on with where it was.
 */
@Injectable()
export class TranscriptRemoval {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly records: SessionRecordsRepository,
    private readonly natives: NativeRemovalRepository,
  ) {}

  /**
   * Its conversations are gone, and nobody can save any more of what is under way. Gives those whose content is still to
   * be removed, as are the records: no reader finds them without the log that they were made of.
   */
  async deleteSession(tx: Transaction, session: SessionKey): Promise<{ conversation_ids: string[] }> {
    await this.natives.deleteSaves(tx, session);
    return { conversation_ids: await this.natives.deleteConversations(tx, session) };
  }

  /** Removes all records up to a generation of the session, which is over. Again changes nothing. */
  async removeRecords(session: SessionKey, generation: number): Promise<void> {
    await this.inSteps((tx) => this.records.deleteRecords(tx, session, generation, STEP_ROWS));
  }

  /** Removes what conversations that are gone were made of. Again changes nothing. */
  async removeConversations(project_id: string, conversation_ids: string[]): Promise<void> {
    for (const conversation_id of conversation_ids) {
      await this.inSteps((tx) => this.natives.deleteChunks(tx, project_id, conversation_id, STEP_ROWS));
      await this.inSteps((tx) => this.natives.deleteVersions(tx, project_id, conversation_id, STEP_ROWS));
    }
  }

  private async inSteps(remove: (tx: Transaction) => Promise<number>): Promise<void> {
    while ((await this.unitOfWork.run(remove)) > 0);
  }
}

import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { ParticipantsRepository, type ParticipantRow } from './participants.repository.js';
import { ParticipantsService } from './participants.service.js';

/** After how long unheard of somebody is taken for gone. */
export const TIMED_OUT_AFTER_SECONDS = 90;

/** For how long an end of a share is looked at again; whoever was held meanwhile is found as unheard of. */
const ENDED_WITHIN_SECONDS = 900;

/** How long whoever left can still be asked for by what they did. */
const KEPT_DAYS = 30;

const BATCH = 100;

/** Lets those go who are gone without a word. Safe in any number of workers. */
@Injectable()
export class ParticipantsSweeper {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly participants: ParticipantsRepository,
    private readonly service: ParticipantsService,
  ) {}

  async run(stopping?: AbortSignal): Promise<void> {
    await this.letGo(stopping, (tx) => this.participants.lockOfEndedShares(tx, ENDED_WITHIN_SECONDS, BATCH));
    await this.letGo(stopping, (tx) => this.participants.lockUnseen(tx, TIMED_OUT_AFTER_SECONDS, BATCH));
  }

  /** Forgets up to `limit` who left long ago. Returns how many. */
  async prune(limit: number): Promise<number> {
    return (await this.unitOfWork.run((tx) => this.participants.prune(tx, KEPT_DAYS, limit))).length;
  }

  private async letGo(
    stopping: AbortSignal | undefined,
    lock: (tx: Transaction) => Promise<(ParticipantRow & { share_end: string | null })[]>,
  ): Promise<void> {
    let gone = BATCH;
    while (gone === BATCH && !stopping?.aborted) {
      gone = await this.unitOfWork.run(async (tx) => {
        const rows = await lock(tx);
        for (const row of rows) await this.service.letGo(tx, row, row.share_end ?? 'timed_out');
        return rows.length;
      });
    }
  }
}

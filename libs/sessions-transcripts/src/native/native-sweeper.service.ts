import { Injectable } from '@nestjs/common';
import { BlobStore } from '@holdfast/platform-blobs';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { nativeBlobKey } from './native-blob-key.js';
import { NativeSavesRepository } from './native-saves.repository.js';

const PRUNE_BATCH = 100;

/** Removes what saves left behind that were never finished. Any number of workers may do it. */
@Injectable()
export class NativeSweeper {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly saves: NativeSavesRepository,
    private readonly blobs: BlobStore,
  ) {}

  /** Saves that nobody has gone on with for a day, then blobs that nothing refers to since a day. */
  async run(stopping: AbortSignal): Promise<{ saves: number; blobs: number }> {
    const done = { saves: 0, blobs: 0 };
    for (let pruned = PRUNE_BATCH; pruned === PRUNE_BATCH && !stopping.aborted; done.saves += pruned) {
      pruned = await this.unitOfWork.run((tx) => this.saves.prune(tx, PRUNE_BATCH));
    }
    while (!stopping.aborted && (await this.removeOne())) done.blobs += 1;
    return done;
  }

  /** The row goes with the blob: who puts the same content meanwhile waits for it, and puts it again. */
  private removeOne(): Promise<boolean> {
    return this.unitOfWork.run(async (tx) => {
      const loose = await this.saves.takeLooseBlob(tx);
      if (!loose) return false;
      await this.blobs.delete(nativeBlobKey(loose.project_id, loose.sha256));
      return true;
    });
  }
}

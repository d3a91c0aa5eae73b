import { Injectable } from '@nestjs/common';
import { BlobStore } from '@holdfast/platform-blobs';
import type { HealthCheck } from './health-check.js';

/** The blob store can be used. Needs BlobsModule. */
@Injectable()
export class BlobStoreHealthCheck implements HealthCheck {
  readonly name = 'blobs';
  /** Turns and streams go on without it. */
  readonly isVital = false;

  constructor(private readonly blobs: BlobStore) {}

  async check(): Promise<void> {
    await this.blobs.check();
  }
}

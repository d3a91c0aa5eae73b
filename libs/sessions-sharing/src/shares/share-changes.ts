import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';

/** Of the installation: which shares have ended or give another role now. */
const CHANNEL = 'shares';

/** Told which share changed; undefined where any may have. */
export type ShareListener = (share_id: string | undefined) => void;

/** Tells every process that what it knows of a share holds no more. A hint: whoever is not told looks by themselves. */
@Injectable()
export class ShareChanges implements OnModuleInit, OnModuleDestroy {
  private readonly listeners = new Set<ShareListener>();
  private stop: (() => Promise<void>)[] = [];

  constructor(private readonly signals: Signals) {}

  async onModuleInit(): Promise<void> {
    const stopHearing = await this.signals.subscribe(CHANNEL, (share_id) => this.tell(share_id || undefined));
    const forgetGaps = this.signals.onGap(() => this.tell(undefined));
    this.stop = [stopHearing, async () => forgetGaps()];
  }

  async onModuleDestroy(): Promise<void> {
    for (const stop of this.stop) await stop();
  }

  /** From the commit on: here at once, elsewhere as soon as they hear. */
  announce(tx: Transaction, share_id: string): void {
    tx.afterCommit(() => {
      this.tell(share_id);
      this.signals.publish(CHANNEL, share_id);
    });
  }

  /** Returns how to stop. */
  onChange(listener: ShareListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(share_id: string | undefined): void {
    for (const listener of [...this.listeners]) listener(share_id);
  }
}

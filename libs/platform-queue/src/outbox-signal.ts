import { Injectable } from '@nestjs/common';
import { OutboxBell } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';

/** The installation's, not a project's: relays serve all projects. */
export const OUTBOX_CHANNEL = 'outbox';

/** Wakes the relays of all processes. */
@Injectable()
export class SignalledOutboxBell extends OutboxBell {
  constructor(private readonly signals: Signals) {
    super();
  }

  ring(): void {
    this.signals.publish(OUTBOX_CHANNEL, '');
  }
}

import { Injectable } from '@nestjs/common';
import { TooManyViewers } from '@holdfast/durable-streams';
import { Metrics } from '@holdfast/platform-telemetry';

/** How live views end, as a label of the metric. */
export type ViewOutcome = 'closed' | 'gone' | 'over' | 'left' | 'too_slow' | 'failed';

/** Counts the live views of this process and refuses those that are too many. */
@Injectable()
export class ViewerLimit {
  private open = 0;
  private readonly ended;

  constructor(
    metrics: Metrics,
    private readonly limit: number,
  ) {
    this.ended = metrics.counter({
      name: 'log_views_ended_total',
      help: 'Event streams of logs that ended, by why.',
      labelNames: ['reason'],
    });
  }

  /** Takes a place until the returned function is called. Errors: too_many_viewers. */
  enter(): () => void {
    if (this.open >= this.limit) throw TooManyViewers({ limit: this.limit });
    this.open += 1;
    return () => (this.open -= 1);
  }

  count(reason: ViewOutcome): void {
    this.ended.inc({ reason });
  }
}

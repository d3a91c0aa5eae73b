import { Injectable } from '@nestjs/common';
import { isDomainError } from '@holdfast/platform-errors';
import type { LogKey } from '../log-head.js';
import { LogReader } from '../read/log-reader.js';
import { Following, type View, type ViewEnd, type ViewerSink, type ViewFrames } from './following.js';
import { LogHub } from './log-hub.js';

/** Follows many logs for one viewer. */
@Injectable()
export class LogWatcher {
  constructor(
    private readonly reader: LogReader,
    private readonly hub: LogHub,
  ) {}

  /**
   * Each log from its offset on and then live, in order within each log and fair between them, as `LogViewer.follow`
   * does for one. A log that cannot be followed, from the start or any more, is told as a problem while the others go
   * on; the view ends when none is left. Each log begins with a page, if an empty one, so that its offset is known; those
   * from `now` come first.
   */
  async watch(
    wanted: { key: LogKey; offset: string }[],
    view: View,
    frames: Required<ViewFrames>,
    open: () => ViewerSink,
  ): Promise<ViewEnd> {
    const watched = await Promise.allSettled(wanted.map(({ key }) => this.hub.watch(key)));
    try {
      const channels = watched.map(valueOf);
      const places = await this.reader.locateAll(wanted);
      const following = new Following(this.reader, view, open(), frames);
      const reached = await Promise.all(
        places.map((place, index) => isDomainError(place) || channels[index]!.channel.reach(place.head)),
      );
      if (reached.includes(false)) return 'gone';
      const isFromNow = (index: number) => Number(wanted[index]!.offset === 'now');
      for (const index of [...places.keys()].sort((one, other) => isFromNow(other) - isFromNow(one))) {
        const place = places[index]!;
        const { channel, unwatch } = channels[index]!;
        if (!isDomainError(place)) {
          following.add(channel, place.position);
          continue;
        }
        following.refuse(channel.key, place);
        unwatch();
      }
      return await following.run();
    } finally {
      for (const one of watched) if (one.status === 'fulfilled') one.value.unwatch();
    }
  }
}

function valueOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

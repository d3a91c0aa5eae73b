import { Injectable } from '@nestjs/common';
import { Signals } from '@holdfast/platform-signals';
import { openBell, type Bell } from '../signal-bell.js';
import type { LogKey } from './log.repository.js';
import type { MovedLog } from './log-writer.js';

const channelOf = ({ project_id, path }: LogKey) => `log:${project_id}:${path}`;

/** Says after each commit which logs moved, to viewers in every process. A hint only: viewers read at intervals too. */
@Injectable()
export class LogMoves {
  constructor(private readonly signals: Signals) {}

  announce(moved: MovedLog[]): void {
    for (const log of moved) this.signals.publish(channelOf(log), '');
  }

  watch(key: LogKey, abort: AbortSignal): Promise<Bell> {
    return openBell(this.signals, [channelOf(key)], abort);
  }
}

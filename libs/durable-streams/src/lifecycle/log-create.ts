import type { LogKey } from '../log-head.js';

/** How long a log lives: idle time, or a moment. */
export type LogLifetime = { ttl_seconds: number } | { expires_at: Date } | undefined;

/** Where a fork branches off. */
export interface LogFork {
  source_path: string;
  /** An offset of the source; its tail when absent. */
  offset?: string;
  /** Messages (JSON) or bytes past the offset. */
  sub_offset: number;
}

/** A log as somebody wants it to be. */
export interface LogCreate extends LogKey {
  /** A fork takes its source's when absent. */
  content_type?: string;
  lifetime?: LogLifetime;
  closed: boolean;
  /** Its first content, as `splitMessages` takes it; may be empty. */
  body: Buffer;
  fork?: LogFork;
}

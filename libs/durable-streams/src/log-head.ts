/** Names a log: unique within its project. */
export interface LogKey {
  project_id: string;
  /** Below `/v1/stream/`, without a leading slash. */
  path: string;
}

export const keyOf = ({ project_id, path }: LogKey): string => `${project_id} ${path}`;

/** An idempotent producer's claim on one append: within an epoch, seq grows by one with each. */
export interface Producer {
  id: string;
  epoch: number;
  seq: number;
}

/** `deleted`: gone for its callers, kept for the forks that read from it. */
export type LogState = 'live' | 'deleted' | 'expired';

/** What is known of a log without reading a message of it. */
export interface LogHead extends LogKey {
  /** Never used again, even when a log is made again under the same path. */
  id: number;
  /** First half of its offsets; of a fork, of those after `fork_at`. */
  generation: number;
  /** Grows with every change that the verdict on an append depends on. */
  version: number;
  content_type: string;
  /** Position after the last message. Positions count messages for JSON, bytes otherwise. */
  tail: number;
  /** Position of the earliest message that can still be read. */
  first: number;
  closed: boolean;
  /** The append that closed it, where that was an idempotent producer's. */
  closed_by: Producer | null;
  /** Highest `Stream-Seq` so far. */
  last_seq: string | null;
  ttl_seconds: number | null;
  expires_at: Date | null;
  state: LogState;
  source_id: number | null;
  source_path: string | null;
  fork_anchor: number | null;
  /** Where the messages of its own begin; 0 unless it is a fork. */
  fork_at: number;
  /** The logs that hold what comes before `fork_at`, oldest first, and up to where each of them counts. */
  lineage_ids: number[];
  lineage_ends: number[];
  /** First half of the offsets up to there. Empty: `generation`, as forks of earlier versions have it. */
  lineage_generations: number[];
  /** The epoch whose runner may append, and the turn that it runs; null when no turn is live. */
  epoch: number | null;
  turn_id: string | null;
  /** Whether a subscription waits for its appends. */
  subscribed: boolean;
}

/** Where a producer is in a log. */
export interface ProducerState {
  epoch: number;
  seq: number;
}

const JSON_TYPE = 'application/json';

/** Whether it holds JSON messages; all others hold bytes. */
export const isJson = ({ content_type }: { content_type: string }): boolean => content_type === JSON_TYPE;

const mediaTypeOf = (contentType: string): string => contentType.split(';', 1)[0]!.trim().toLowerCase();

/** The form that is stored: JSON needs no parameters, everything else stays as its creator gave it. */
export function normalizeContentType(contentType: string): string {
  return mediaTypeOf(contentType) === JSON_TYPE ? JSON_TYPE : contentType.trim();
}

/** By media type, without regard to case and parameters (Durable Streams, "Append to Stream"). */
export function isSameContentType(one: string, other: string): boolean {
  return one === other || mediaTypeOf(one) === mediaTypeOf(other);
}

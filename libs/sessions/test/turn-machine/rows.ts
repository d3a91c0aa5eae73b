/** The columns of session_turns that runs look at. */
export interface TurnRow {
  turn_id: string;
  session_id: string;
  turn_index: number | null;
  status: string;
  prompt: string;
  attempt: number;
  lost_attempts: number;
  epoch: number | null;
  replica_id: string | null;
  handed_over_epoch: number | null;
  /** Why it waits or waited: `queue`, `steer` or `in_turn`; null for one that never did. */
  delivery: string | null;
  in_turn_of: string | null;
  inbox_position: number | null;
  stop_status: string | null;
  stop_reason: string | null;
  ended_at: Date | null;
}

/** The columns of session_streams that runs look at. */
export interface StreamRow {
  current_turn_id: string | null;
  owner_replica_id: string | null;
  owner_epoch: number | null;
  lease_until: Date | null;
  watcher_id: string | null;
}

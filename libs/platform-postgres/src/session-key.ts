/** Names a session: the caller's id is unique only within its project. */
export interface SessionKey {
  project_id: string;
  session_id: string;
}

/** Names one attempt of one turn: what every write made for a turn carries (law 3). */
export interface TurnFence extends SessionKey {
  turn_id: string;
  epoch: number;
}

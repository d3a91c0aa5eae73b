/** What a conversation is written for. */
export interface CrossingTarget {
  /** Of the machine where it goes on, absolute. */
  cwd: string;
  /** A UUID; for Codex one of version 7, as its own are. */
  native_id: string;
  now: Date;
  /** Of the program that is said to have written it: some version whose files the next one reads. */
  version: string;
}

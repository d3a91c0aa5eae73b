/** All that the api told anybody: what the audit holds the database against. */
export function newLedger() {
  return {
    /**
     * Prompts: `{ marker, session_id, kind, chunks, answer }`; the marker is in the prompt's text and nowhere else. `answer`
     * is `{ status, body, tries }`, undefined when none came.
     */
    prompts: [],
    /** Commands without a prompt: `{ command, session_id, answer }`. */
    commands: [],
    /** Answers to agents' questions: `{ interaction_id, session_id, decision, answer }`. */
    answers: [],
    /** What each session's viewers were shown: `[{ offset, event }]`, by session. */
    shown: new Map(),
    /** What callers were shown who wait for their turn's end: `[{ session_id, events }]`. */
    waited: [],
    /** Appends that were acknowledged to a runner: `{ path, epoch, seq, body }`. */
    appends: [],
    /** Turns of which somebody read the final status: `{ turn_id, status }`. */
    finals: [],
    /** Processes that ended without having been asked to. */
    surprises: [],
    /** Sessions with agents on two runners: `{ session_id, runners, at }`. */
    overlaps: [],
  };
}

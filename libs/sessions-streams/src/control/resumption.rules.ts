import type { SavedConversation } from '../ports/saved-conversations.port.js';
import type { TurnBefore, TurnRow } from './session-turns.repository.js';

/** A conversation that a turn goes on with. */
export interface ResumedConversation {
  harness: string;
  native_id: string;
  /** Whose it was; null for one that was brought from elsewhere. */
  agent_name: string | null;
}

/**
 * What a turn goes on with: what was saved last, unless a turn began another conversation after that. One that is to
 * start afresh goes on with nothing but what an attempt at itself has saved.
 */
export function resumedConversation(
  turn: Pick<TurnRow, 'fresh_start' | 'agent_session_id'>,
  saved: SavedConversation | null,
  before: TurnBefore | undefined,
): ResumedConversation | null {
  if (saved && (turn.fresh_start ? saved.native_id === turn.agent_session_id : !isNewer(before, saved))) {
    const { harness, native_id } = saved;
    return { harness, native_id, agent_name: before?.agent_session_id === native_id ? before.agent_name : null };
  }
  if (turn.fresh_start || !before) return null;
  const { harness, agent_session_id: native_id, agent_name } = before;
  return { harness, native_id, agent_name };
}

/** `acp` and `push` stand for programs of any kind: only the agent itself knows its ids there. */
export function isOfSameProgram(
  turn: Pick<TurnRow, 'harness' | 'agent_name'>,
  conversation: ResumedConversation,
): boolean {
  if (turn.harness !== conversation.harness) return false;
  return !['acp', 'push'].includes(turn.harness) || turn.agent_name === conversation.agent_name;
}

function isNewer(before: TurnBefore | undefined, { native_id, updated_at }: SavedConversation): boolean {
  return before !== undefined && before.agent_session_id !== native_id && before.started_at > updated_at;
}

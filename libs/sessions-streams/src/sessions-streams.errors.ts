import { defineError } from '@holdfast/platform-errors';
import { allowedCommands, isLive, type TurnStatus } from './control/session-turn.rules.js';

/** What a session takes whose live turn has this status; nothing for a turn that waits or is over, which says nothing of it. */
const allowedIn = (status: TurnStatus) => (isLive(status) ? allowedCommands(status) : []);

export const SessionInUse = defineError<{ session_id: string; turn_id: string; status: TurnStatus }>({
  code: 'session_in_use',
  kind: 'conflict',
  title: 'Session in use',
  detail: ({ session_id, turn_id, status }) =>
    `Session "${session_id}" has a live turn (${turn_id}, ${status}). Wait for it to end, queue behind it, or cancel it first.`,
  members: ({ turn_id, status }) => ({ turn_id, turn_status: status, allowed: allowedIn(status) }),
});

export const NoLiveTurn = defineError<{ session_id: string; command: 'cancel' | 'attach' }>({
  code: 'no_live_turn',
  kind: 'conflict',
  title: 'No live turn',
  detail: ({ session_id, command }) => {
    const what = command === 'cancel' ? 'to cancel' : 'to attach to';
    return `Session "${session_id}" has no live turn ${what}. Send a prompt to start one.`;
  },
  members: () => ({ turn_status: 'idle', allowed: allowedCommands('idle') }),
});

/** How soon to try again what a limit refused. */
const RETRY_AFTER_SECONDS = 5;

export const ProjectAtCapacity = defineError<{ limit: number }>({
  code: 'project_at_capacity',
  kind: 'rate-limited',
  title: 'Project at capacity',
  detail: ({ limit }) => `${limit} turns of this project are live, which is its limit. Retry when one has ended.`,
  members: ({ limit }) => ({ limit, retry_after_seconds: RETRY_AFTER_SECONDS }),
});

export const InboxFull = defineError<{ limit: number }>({
  code: 'inbox_full',
  kind: 'rate-limited',
  title: 'Inbox full',
  detail: ({ limit }) => `${limit} prompts wait in this session, which is the limit. Withdraw some, or retry later.`,
  members: ({ limit }) => ({ limit, retry_after_seconds: RETRY_AFTER_SECONDS }),
});

export const InboxChanged = defineError<{ turn_ids: string[] }>({
  code: 'inbox_changed',
  kind: 'conflict',
  title: 'Inbox changed',
  detail: () => 'These are not the prompts that wait now. "turn_ids" has those, in their present order.',
  members: ({ turn_ids }) => ({ turn_ids }),
});

export const TurnInInbox = defineError<{ turn_id: string }>({
  code: 'turn_in_inbox',
  kind: 'conflict',
  title: 'Turn in the inbox',
  detail: ({ turn_id }) =>
    `Turn "${turn_id}" waits in the inbox, where there is nothing to cancel. Withdraw it instead, or cancel it once it is live.`,
  members: ({ turn_id }) => ({ turn_id, turn_status: 'inbox', allowed: allowedIn('inbox') }),
});

export const NotInInbox = defineError<{ turn_id: string; status: TurnStatus }>({
  code: 'not_in_inbox',
  kind: 'conflict',
  title: 'Not in the inbox',
  detail: ({ turn_id, status }) => `Turn "${turn_id}" is ${status}; only a prompt that waits can be withdrawn.`,
  members: ({ status }) => ({ turn_status: status, allowed: allowedIn(status) }),
});

/** `reason` is a sentence. */
export const NotStarted = defineError<{ turn_id: string; reason: string }>({
  code: 'not_started',
  kind: 'unavailable',
  title: 'Not started',
  detail: ({ turn_id, reason }) =>
    `Turn "${turn_id}" did not start and never will: ${reason.replace(/\.?$/, '.')} Send it again under a new Idempotency-Key.`,
  members: ({ turn_id }) => ({ turn_id, retry_after_seconds: RETRY_AFTER_SECONDS }),
});

export const TurnNotFound = defineError<{ turn_id: string }>({
  code: 'turn_not_found',
  kind: 'not-found',
  title: 'Turn not found',
  detail: ({ turn_id }) => `There is no turn "${turn_id}" in this project.`,
});

export const TurnNotLive = defineError<{ turn_id: string; status: string }>({
  code: 'turn_not_live',
  kind: 'conflict',
  title: 'Turn not live',
  detail: ({ turn_id, status }) => `Turn "${turn_id}" is ${status}; it can no longer be changed.`,
  members: ({ status }) => ({ turn_status: status }),
});

export const ReplicaTaken = defineError<{ replica_id: string }>({
  code: 'replica_taken',
  kind: 'conflict',
  title: 'Replica taken',
  detail: ({ replica_id }) => `Replica "${replica_id}" was registered with another key. Choose another id.`,
});

export const ReplicaUnknown = defineError<{ replica_id: string }>({
  code: 'replica_unknown',
  kind: 'conflict',
  title: 'Replica unknown',
  detail: ({ replica_id }) => `Replica "${replica_id}" was not registered with this key. Register it first.`,
});

export const PromptNotOffered = defineError<{ turn_id: string; status: string }>({
  code: 'prompt_not_offered',
  kind: 'conflict',
  title: 'Prompt not offered',
  detail: ({ turn_id, status }) =>
    `The prompt of turn "${turn_id}" (${status}) does not wait to be taken by this turn. Leave it alone.`,
  members: ({ status }) => ({ turn_status: status }),
});

/** `reason` is a sentence. */
export const NoLocalRunner = defineError<{ reason: string }>({
  code: 'no_local_runner',
  kind: 'conflict',
  title: 'No local runner',
  detail: ({ reason }) => `${reason} Run it remotely instead.`,
});

export const SessionNotLocal = defineError<{ session_id: string }>({
  code: 'session_not_local',
  kind: 'conflict',
  title: 'Session not local',
  detail: ({ session_id }) =>
    `Session "${session_id}" was not made to run on a machine of this key's. Take a new session, or leave "local" out.`,
});

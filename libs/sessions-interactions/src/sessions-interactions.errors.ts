import { defineError } from '@holdfast/platform-errors';
import type { Decision, Verdict } from './verdict.rules.js';

export const InteractionNotFound = defineError<{ interaction_id: string }>({
  code: 'interaction_not_found',
  kind: 'not-found',
  title: 'Interaction not found',
  detail: ({ interaction_id }) => `There is no interaction "${interaction_id}" here.`,
});

export const InteractionTokenTaken = defineError<{ token: string; turn_id: string }>({
  code: 'interaction_token_taken',
  kind: 'conflict',
  title: 'Interaction token taken',
  detail: ({ token, turn_id }) =>
    `Token "${token}" was used before in this session, by another attempt or turn (turn ${turn_id}). Use a new one.`,
  members: ({ turn_id }) => ({ turn_id }),
});

export const InteractionRequestTooLarge = defineError<{ bytes: number; limit_bytes: number }>({
  code: 'interaction_request_too_large',
  kind: 'too-large',
  title: 'Interaction request too large',
  detail: ({ bytes, limit_bytes }) =>
    `The request has ${bytes} bytes of JSON, more than ${limit_bytes}. Shorten the tool call.`,
  members: ({ limit_bytes }) => ({ limit_bytes }),
});

/** Somebody was faster; the members say who. */
export const InteractionAlreadyAnswered = defineError<{
  interaction_id: string;
  verdict: Verdict | null;
  responded_at: string | null;
  responded_by_id: string | null;
}>({
  code: 'interaction_already_answered',
  kind: 'conflict',
  title: 'Interaction already answered',
  detail: ({ interaction_id, verdict, responded_at, responded_by_id }) =>
    `Interaction "${interaction_id}" was answered "${verdict?.decision}" by ${responded_by_id} at ${responded_at}.`,
  members: ({ verdict, responded_at, responded_by_id }) => ({ verdict, responded_at, responded_by_id }),
});

export const InteractionNotAnswered = defineError<{ interaction_id: string }>({
  code: 'interaction_not_answered',
  kind: 'conflict',
  title: 'Interaction not answered',
  detail: ({ interaction_id }) =>
    `Interaction "${interaction_id}" has no answer yet that an agent could have taken up.`,
});

export const InteractionClosed = defineError<{ interaction_id: string }>({
  code: 'interaction_closed',
  kind: 'conflict',
  title: 'Interaction closed',
  detail: ({ interaction_id }) =>
    `The turn that raised interaction "${interaction_id}" is over; nobody waits for an answer.`,
});

export const DecisionNotOffered = defineError<{ decision: Decision; offered: string[] }>({
  code: 'decision_not_offered',
  kind: 'unprocessable',
  title: 'Decision not offered',
  detail: ({ decision, offered }) =>
    `The agent has no option for "${decision}"; it offers ${offered.join(', ')}. Choose another decision.`,
  members: ({ offered }) => ({ offered }),
});

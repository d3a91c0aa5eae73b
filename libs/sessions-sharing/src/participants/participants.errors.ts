import type { ShareRole } from '@holdfast/platform-auth';
import { defineError } from '@holdfast/platform-errors';
import type { RoleRequestStatus } from './dto/session-role-request.dto.js';

/** Nobody acts for another participant: one of somebody else is not found either. */
export const ParticipantNotFound = defineError<{ participant_id: string }>({
  code: 'participant_not_found',
  kind: 'not-found',
  title: 'Participant not found',
  detail: ({ participant_id }) => `The credential is not that of a participant "${participant_id}".`,
});

export const ParticipantAway = defineError<{ participant_id: string }>({
  code: 'participant_away',
  kind: 'conflict',
  title: 'Participant away',
  detail: ({ participant_id }) =>
    `Participant "${participant_id}" looks at no session: it left, was not heard of for too long, or its task has no session yet. Join again.`,
});

export const ParticipantLimit = defineError<{ limit: number; of: 'session' | 'share' }>({
  code: 'participant_limit',
  kind: 'rate-limited',
  title: 'Too many participants',
  detail: ({ limit, of }) =>
    of === 'session'
      ? `${limit} participants look at this session, which is the limit. Retry later.`
      : `${limit} participants came by this share within an hour, which is the limit. Retry later, or with a credential you have.`,
  members: ({ limit, of }) => ({ limit, retry_after_seconds: of === 'session' ? 30 : 300 }),
});

export const SelectionTooLarge = defineError<{ bytes: number; limit_bytes: number }>({
  code: 'selection_too_large',
  kind: 'too-large',
  title: 'Selection too large',
  detail: ({ bytes, limit_bytes }) => `The selection has ${bytes} bytes of JSON, more than ${limit_bytes}.`,
  members: ({ limit_bytes }) => ({ limit_bytes }),
});

export const SelectionElsewhere = defineError({
  code: 'selection_elsewhere',
  kind: 'unprocessable',
  title: 'Selection in another session',
  detail: () => 'A selection is in the session that the participant looks at. Join the other one first.',
});

export const RoleRequestNotFound = defineError<{ request_id: string }>({
  code: 'role_request_not_found',
  kind: 'not-found',
  title: 'Role request not found',
  detail: ({ request_id }) => `There is no request for a role "${request_id}" within reach.`,
});

export const RoleRequestPending = defineError<{ request_id: string; role: ShareRole }>({
  code: 'role_request_pending',
  kind: 'conflict',
  title: 'Role request pending',
  detail: ({ role, request_id }) =>
    `The participant waits for an answer already: it asked for "${role}" (${request_id}).`,
  members: ({ request_id }) => ({ request_id }),
});

/** Somebody was faster; the members say who. */
export const RoleRequestSettled = defineError<{
  request_id: string;
  status: RoleRequestStatus;
  answered_by_id: string | null;
}>({
  code: 'role_request_settled',
  kind: 'conflict',
  title: 'Role request settled',
  detail: ({ request_id, status }) => `Request "${request_id}" is ${status} already.`,
  members: ({ status, answered_by_id }) => ({ status, answered_by_id }),
});

export const RoleAlreadyHeld = defineError<{ role: ShareRole }>({
  code: 'role_already_held',
  kind: 'conflict',
  title: 'Role already held',
  detail: ({ role }) => `The participant has the role "${role}", which is as much or more.`,
  members: ({ role }) => ({ role }),
});

export const RoleOfKey = defineError({
  code: 'role_of_key',
  kind: 'conflict',
  title: 'Role comes with the key',
  detail: () => 'The participant came with a key, whose permissions say what it may do. Use another key.',
});

export const RoleAboveOwn = defineError<{ role: ShareRole }>({
  code: 'role_above_own',
  kind: 'forbidden',
  title: 'Role above own',
  detail: ({ role }) => `Nobody gives more than they have, and the caller is no more than "${role}" here.`,
  members: ({ role }) => ({ role }),
});

export const RoleBeyondReach = defineError({
  code: 'role_beyond_reach',
  kind: 'forbidden',
  title: 'Role beyond own reach',
  detail: () =>
    'The participant would have the role in sessions that the caller does not reach. Somebody has to answer who does.',
});

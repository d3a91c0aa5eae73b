import { defineError } from '@holdfast/platform-errors';

export const ShareNotFound = defineError<{ share_id: string }>({
  code: 'share_not_found',
  kind: 'not-found',
  title: 'Share not found',
  detail: ({ share_id }) => `There is no share "${share_id}" that this credential may see.`,
});

/** One who came through a share gives no more than they have. */
export const ShareExceeded = defineError<{ reason: string }>({
  code: 'share_exceeded',
  kind: 'forbidden',
  title: 'More than the own share',
  detail: ({ reason }) => `A share that is made through a share gives no more than that: ${reason}`,
});

export const ShareOver = defineError<{ share_id: string; reason: string }>({
  code: 'share_over',
  kind: 'conflict',
  title: 'Share is over',
  detail: ({ share_id, reason }) => `Share "${share_id}" has ended (${reason}) and does not begin again; make another.`,
  members: ({ reason }) => ({ reason }),
});

export const ShareInvalid = defineError<{ reason: string }>({
  code: 'share_invalid',
  kind: 'unprocessable',
  title: 'Not to be shared like this',
  detail: ({ reason }) => reason,
});

/** Who came through a share drives what is there. */
export const ShareAgentFixed = defineError<{ session_id: string }>({
  code: 'share_agent_fixed',
  kind: 'forbidden',
  title: 'Agent of a shared session',
  detail: ({ session_id }) =>
    `A prompt that comes through a share goes on with the agent and the conversation of session "${session_id}". Leave "agent" and "fresh_start" out.`,
});

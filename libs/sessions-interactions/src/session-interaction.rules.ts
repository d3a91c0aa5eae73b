/** The life of an interaction. Only the agent's taking up of the answer makes `responded` into `resolved`. */
export const INTERACTION_STATUSES = ['pending', 'responded', 'resolved', 'cancelled'] as const;

export type InteractionStatus = (typeof INTERACTION_STATUSES)[number];

/** What can happen to an interaction. `cancel` is the end of its turn. */
export type InteractionEvent = 'respond' | 'resolve' | 'cancel';

/** Why an event leaves an interaction as it is. */
export type Rejection = 'already_answered' | 'not_answered' | 'closed';

/** An event that leads to the status it started from has happened before. */
const TRANSITIONS: Record<
  InteractionStatus,
  Record<InteractionEvent, { to: InteractionStatus } | { rejected: Rejection }>
> = {
  pending: { respond: { to: 'responded' }, resolve: { rejected: 'not_answered' }, cancel: { to: 'cancelled' } },
  // An answer outlives its turn: it may have been taken up, so nobody may answer again.
  responded: {
    respond: { rejected: 'already_answered' },
    resolve: { to: 'resolved' },
    cancel: { rejected: 'already_answered' },
  },
  resolved: {
    respond: { rejected: 'already_answered' },
    resolve: { to: 'resolved' },
    cancel: { rejected: 'already_answered' },
  },
  cancelled: { respond: { rejected: 'closed' }, resolve: { rejected: 'closed' }, cancel: { to: 'cancelled' } },
};

export const transition = (status: InteractionStatus, event: InteractionEvent) => TRANSITIONS[status][event];

/** The statuses that an event changes. */
export function changedBy(event: InteractionEvent): InteractionStatus[] {
  return INTERACTION_STATUSES.filter((status) => {
    const next = transition(status, event);
    return 'to' in next && next.to !== status;
  });
}

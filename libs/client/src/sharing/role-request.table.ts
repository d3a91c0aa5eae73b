export type RoleRequestStatus = 'none' | 'pending' | 'approved' | 'denied' | 'withdrawn';

export type RoleRequestEvent = 'requested' | 'approved' | 'denied' | 'withdrawn';

/** Of a viewer's own request: at most one is pending. What an event does that is not here: nothing. */
export const ROLE_REQUEST: Record<RoleRequestStatus, Partial<Record<RoleRequestEvent, RoleRequestStatus>>> = {
  none: { requested: 'pending' },
  pending: { approved: 'approved', denied: 'denied', withdrawn: 'withdrawn' },
  approved: { requested: 'pending' },
  denied: { requested: 'pending' },
  withdrawn: { requested: 'pending' },
};

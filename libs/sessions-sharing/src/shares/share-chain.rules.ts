import { SHARE_ROLES, type ShareEndReason, type ShareRole, type ShareScope } from '@holdfast/platform-auth';

/** One share of a chain in which each was made through the next. */
export interface ShareLink {
  /** Of whoever holds it: of a participant of their own, else the share's. */
  role: ShareRole;
  ended_at: Date | null;
  end_reason: ShareEndReason | null;
  is_overdue: boolean;
  /** Whether whoever held it, and made the one before, was cut off from it. */
  is_cut_off: boolean;
}

/** What one share of a chain is of, as that is now: a task may get another session, and a session another task. */
export interface LinkHost {
  scope: ShareScope;
  host_session_id: string | null;
  host_task_id: string | null;
  /** Of its task. */
  host_ancestor_ids: string[] | null;
}

/** Whether each share of a chain opens what the one that was made through it is of. */
export function opensItsHost(links: readonly LinkHost[]): boolean {
  return links.every((link, index) => index === 0 || opens(link, links[index - 1]!));
}

function opens(link: LinkHost, made: LinkHost): boolean {
  if (made.host_session_id !== null && made.host_session_id === link.host_session_id) return true;
  if (made.host_task_id === null || link.host_task_id === null) return false;
  if (made.host_task_id === link.host_task_id) return true;
  return link.scope === 'tree' && made.host_ancestor_ids!.includes(link.host_task_id);
}

/** What a chain comes to: it is as strong as its weakest link. */
export function strengthOf(links: readonly ShareLink[]): { role: ShareRole; ended: ShareEndReason | null } {
  const role = SHARE_ROLES[Math.min(...links.map((link) => SHARE_ROLES.indexOf(link.role)))]!;
  for (const link of links) {
    const ended = whyEnded(link);
    if (ended) return { role, ended };
  }
  return { role, ended: null };
}

function whyEnded({ ended_at, end_reason, is_overdue, is_cut_off }: ShareLink): ShareEndReason | null {
  if (ended_at) return end_reason;
  if (is_overdue) return 'expired';
  return is_cut_off ? 'revoked' : null;
}

import { Roster, type ViewParticipant } from '../../src/sharing/roster.js';

const participant = (participant_id: string, join_order: number, more: Partial<ViewParticipant> = {}) => ({
  participant_id,
  join_order,
  name: null,
  role: 'reader' as const,
  kind: 'share' as const,
  joined_at: new Date(0),
  last_seen_at: new Date(0),
  is_present: true,
  session_id: 's',
  selection: null,
  ...more,
});
const event = (type: string, data: Record<string, unknown>) => ({ type, at: '', turn_id: null, data });
const request = (participant_id: string, status: string, granted_role: string | null = null) => ({
  request: { request_id: 'r', participant_id, role: 'executor', status, granted_role },
});

describe('Q62 who looks at the session', () => {
  it('follows those who come, change and go, in the order of joining', () => {
    const roster = new Roster('me', 'reader', [participant('me', 2), participant('other', 1)]);
    expect(roster.participants().map(({ participant_id }) => participant_id)).toEqual(['other', 'me']);
    roster.see(event('participant.joined', { participant: participant('third', 3) }));
    roster.see(event('participant.updated', { participant: participant('other', 1, { name: 'Watcher' }) }));
    roster.see(event('participant.left', { participant: participant('me', 2), reason: 'left' }));
    expect(roster.participants().map(({ name, join_order }) => `${join_order} ${name}`)).toEqual([
      '1 Watcher',
      '3 null',
    ]);
    expect(roster.see(event('turn.running', {}))).toBe(false);
  });

  it('knows who is there now, whatever was told before', () => {
    const roster = new Roster('me', 'reader', [participant('me', 1), participant('gone', 2)]);
    roster.replace([participant('me', 1, { is_present: false })]);
    expect(roster.participants()).toEqual([expect.objectContaining({ participant_id: 'me', is_present: false })]);
  });

  it('a change of the own role counts at once', () => {
    const roster = new Roster('me', 'reader', []);
    roster.see(event('participant.updated', { participant: participant('me', 1, { role: 'executor' }) }));
    roster.see(event('participant.updated', { participant: participant('other', 2, { role: 'full' }) }));
    expect(roster.role).toBe('executor');
  });

  it('an own wish is pending until it is answered; those of others are not mine', () => {
    const roster = new Roster('me', 'reader', []);
    roster.see(event('role.requested', request('other', 'pending')));
    expect(roster.roleRequest.status).toBe('none');
    roster.see(event('role.requested', request('me', 'pending')));
    expect(roster.roleRequest).toEqual({ status: 'pending', request_id: 'r', role: 'executor' });
    roster.see(event('role.answered', request('me', 'approved', 'executor')));
    expect([roster.roleRequest.status, roster.role]).toEqual(['approved', 'executor']);
  });

  it.each(['denied', 'withdrawn'] as const)('one that is %s leaves the role as it is', (status) => {
    const roster = new Roster('me', 'reader', []);
    roster.note('requested', { request_id: 'r', role: 'full' });
    roster.see(event('role.answered', request('me', status)));
    expect([roster.roleRequest.status, roster.role]).toEqual([status, 'reader']);
  });
});

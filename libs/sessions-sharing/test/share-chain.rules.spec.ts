import type { ShareEndReason, ShareRole } from '@holdfast/platform-auth';
import { isSourceType } from '../src/shares/dto/session-share-source.dto.js';
import { opensItsHost, strengthOf, type LinkHost, type ShareLink } from '../src/shares/share-chain.rules.js';

const link = (role: ShareRole, rest: Partial<ShareLink> = {}): ShareLink => ({
  role,
  ended_at: null,
  end_reason: null,
  is_overdue: false,
  is_cut_off: false,
  ...rest,
});
const ended = (end_reason: ShareEndReason) => link('full', { ended_at: new Date(), end_reason });

describe('a chain of shares that were made one through another', () => {
  it('Q21: gives the lowest role of all, wherever in it that is', () => {
    for (const roles of [
      ['full', 'full', 'reader'],
      ['reader', 'full', 'full'],
      ['executor', 'reader', 'full'],
    ] as ShareRole[][]) {
      expect(strengthOf(roles.map((role) => link(role))).role).toBe('reader');
    }
    expect(strengthOf([link('executor')]).role).toBe('executor');
  });

  it('has ended with the first of them that has, nearest its holder, and says why', () => {
    expect(strengthOf([link('full'), link('full')]).ended).toBeNull();
    expect(strengthOf([link('full'), ended('killed')]).ended).toBe('killed');
    expect(strengthOf([link('full'), link('full', { is_overdue: true }), ended('killed')]).ended).toBe('expired');
    expect(strengthOf([link('full'), link('full', { is_cut_off: true })]).ended).toBe('revoked');
    expect(strengthOf([ended('deleted'), link('full', { is_overdue: true })]).ended).toBe('deleted');
  });
});

describe('what each share of a chain opens', () => {
  const host = (rest: Partial<LinkHost> = {}): LinkHost => ({
    scope: 'session',
    host_session_id: null,
    host_task_id: null,
    host_ancestor_ids: null,
    ...rest,
  });
  const task = (host_task_id: string, host_ancestor_ids: string[] = []) => host({ host_task_id, host_ancestor_ids });

  it.each([
    ['one share alone', [host()], true],
    ['the same session', [host({ host_session_id: 's' }), host({ host_session_id: 's' })], true],
    ['another session', [host({ host_session_id: 's' }), host({ host_session_id: 't' })], false],
    ['the same task, which has no session yet', [task('b', ['a']), task('b', ['a'])], true],
    ['a task below one', [task('b', ['a']), task('a')], false],
    ['a task below that of a tree', [task('b', ['a']), { ...task('a'), scope: 'tree' as const }], true],
    ['a task above that of a tree', [task('a'), { ...task('b', ['a']), scope: 'tree' as const }], false],
    [
      'a session that has no task any more',
      [host({ host_session_id: 's' }), { ...task('a'), scope: 'tree' as const }],
      false,
    ],
    [
      'of three the last but one',
      [task('c', ['a', 'b']), { ...task('b', ['a']), scope: 'tree' as const }, host({ host_session_id: 's' })],
      false,
    ],
  ])('is what the one made through it is of: %s', (_, links, isOpen) => {
    expect(opensItsHost(links)).toBe(isOpen);
  });
});

describe('a source type', () => {
  it.each([
    ['Q01: the bare string', 'user', true],
    ['Q06: the bare word of an older form', 'ambient_agent', true],
    ['Q04: the agent with its task', { ambient_agent: { task_id: '00000000-0000-4000-8000-000000000000' } }, true],
    ['the agent without', { ambient_agent: { task_id: null } }, true],
    ['the agent that says nothing', { ambient_agent: {} }, true],
    ['a word of another case', 'User', false],
    ['an object for a user', { user: {} }, false],
    ['two at once', { ambient_agent: {}, user: {} }, false],
    ['a task that is none', { ambient_agent: { task_id: 'x' } }, false],
    ['more than a task', { ambient_agent: { task_id: null, name: 'x' } }, false],
    ['a list', { ambient_agent: [] }, false],
    ['null', null, false],
  ])('%s', (_, value, is) => expect(isSourceType(value)).toBe(is));
});

import {
  DISCOVERY,
  discoveryStep,
  type DiscoveryEvent,
  type DiscoveryState,
} from '../../src/sharing/discovery.table.js';
import { ROLE_REQUEST } from '../../src/sharing/role-request.table.js';
import { SHARER } from '../../src/sharing/sharer-state.table.js';
import { VIEWER } from '../../src/sharing/viewer-state.table.js';

/** `state event → next` for each row. */
const rowsOf = (table: Record<string, Partial<Record<string, string>>>) =>
  Object.entries(table).flatMap(([state, row]) =>
    Object.entries(row).map(([event, next]) => `${state} ${event} ${next}`),
  );

describe('the states of a viewer', () => {
  it.each([
    ['joining', 'joined', 'catching_up'],
    ['joining', 'ended', 'ended'],
    ['joining', 'refused', 'failed'],
    ['catching_up', 'caught_up', 'live'],
    ['catching_up', 'connection_lost', 'reconnecting'],
    ['catching_up', 'ended', 'ended'],
    ['catching_up', 'refused', 'failed'],
    ['catching_up', 'moved', 'catching_up'],
    ['live', 'connection_lost', 'reconnecting'],
    ['live', 'ended', 'ended'],
    ['live', 'refused', 'failed'],
    ['live', 'moved', 'catching_up'],
    ['reconnecting', 'connected', 'back'],
    ['reconnecting', 'ended', 'ended'],
    ['reconnecting', 'refused', 'failed'],
    ['reconnecting', 'moved', 'catching_up'],
    ['ended', 'moved', 'catching_up'],
  ] as const)('%s, %s: %s', (state, event, next) => expect(VIEWER[state][event]).toBe(next));

  it('are these and no more; what failed stays so', () => {
    expect(rowsOf(VIEWER)).toHaveLength(17);
    expect(VIEWER.failed).toEqual({});
  });
});

describe('the states of a sharer', () => {
  it.each([
    ['not_shared', 'asked', 'sharing'],
    ['sharing', 'granted', 'shared'],
    ['sharing', 'refused', 'not_shared'],
    ['shared', 'stop_asked', 'stopping'],
    ['shared', 'ended', 'ended'],
    ['stopping', 'ended', 'ended'],
    ['stopping', 'refused', 'shared'],
    ['ended', 'asked', 'sharing'],
  ] as const)('%s, %s: %s', (state, event, next) => expect(SHARER[state][event]).toBe(next));

  it('are these and no more', () => expect(rowsOf(SHARER)).toHaveLength(8));
});

describe("the states of a viewer's wish for a role", () => {
  it.each([
    ['none', 'requested', 'pending'],
    ['pending', 'approved', 'approved'],
    ['pending', 'denied', 'denied'],
    ['pending', 'withdrawn', 'withdrawn'],
    ['approved', 'requested', 'pending'],
    ['denied', 'requested', 'pending'],
    ['withdrawn', 'requested', 'pending'],
  ] as const)('%s, %s: %s', (state, event, next) => expect(ROLE_REQUEST[state][event]).toBe(next));

  it('are these and no more: at most one is pending', () => {
    expect(rowsOf(ROLE_REQUEST)).toHaveLength(7);
    expect(ROLE_REQUEST.pending).not.toHaveProperty('requested');
  });
});

describe('the discovery of agents', () => {
  const told = (state: DiscoveryState, event: DiscoveryEvent, is_held = false) => {
    const step = discoveryStep(state, event, is_held);
    if (!step) return 'nothing';
    if (step.then?.act === 'wait') return `${step.state}, wait ${step.then.ms}`;
    return step.then ? `${step.state}, ${step.then.act}` : step.state;
  };

  it.each([
    ['Q41', 'unresolved', 'resolved', 'fetching, fetch'],
    ['Q43', 'fetching', 'listed_none', 'idle_due_to_no_children'],
    ['Q44', 'idle_due_to_no_children', 'log_moved', 'fetching, fetch'],
    ['Q45', 'fetching', 'listed_working', 'polling_soon, wait 5000'],
    ['Q45', 'fetching', 'listed_resting', 'polling_late, wait 30000'],
    ['Q45', 'polling_soon', 'due', 'fetching, fetch'],
    ['Q45', 'polling_late', 'due', 'fetching, fetch'],
    ['Q46', 'polling_late', 'log_moved', 'fetching, fetch'],
    ['Q46', 'fetching', 'log_moved', 'nothing'],
    ['Q46', 'polling_soon', 'log_moved', 'nothing'],
    ['Q48', 'fetching', 'list_failed', 'polling_soon, wait 5000'],
    ['Q53', 'following', 'stream_lost', 'fetching, fetch'],
    ['Q53', 'polling_soon', 'stream_held', 'following'],
    ['Q53', 'polling_late', 'stream_held', 'following'],
    ['Q53', 'idle_due_to_no_children', 'stream_held', 'following'],
    ['Q47', 'fetching', 'refresh', 'fetching, fetch'],
    ['Q47', 'following', 'refresh', 'fetching, fetch'],
    ['Q47', 'polling_soon', 'refresh', 'fetching, fetch'],
    ['Q47', 'polling_late', 'refresh', 'fetching, fetch'],
    ['Q47', 'idle_due_to_no_children', 'refresh', 'fetching, fetch'],
    ['Q42', 'unresolved', 'log_moved', 'nothing'],
    ['Q42', 'unresolved', 'refresh', 'nothing'],
  ] as const)('%s while no activity is read: %s, %s: %s', (_, state, event, next) => {
    expect(told(state, event)).toBe(next);
  });

  it.each([
    ['fetching', 'listed_none', 'following'],
    ['fetching', 'listed_working', 'following'],
    ['fetching', 'listed_resting', 'following'],
    ['fetching', 'list_failed', 'polling_soon, wait 5000'],
    ['following', 'log_moved', 'nothing'],
    ['following', 'due', 'nothing'],
    ['unresolved', 'resolved', 'fetching, fetch'],
  ] as const)('while the activity is read: %s, %s: %s', (state, event, next) => {
    expect(told(state, event, true)).toBe(next);
  });

  it('has these rows and no more', () => {
    expect(Object.values(DISCOVERY).flatMap((row) => Object.keys(row))).toHaveLength(18);
  });
});

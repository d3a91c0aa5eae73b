import {
  changedBy,
  INTERACTION_STATUSES,
  transition,
  type InteractionEvent,
} from '../src/session-interaction.rules.js';

const EVENTS: InteractionEvent[] = ['respond', 'resolve', 'cancel'];

it('lets only an open question be answered or cancelled, and only an answered one be resolved', () => {
  expect(EVENTS.map(changedBy)).toEqual([['pending'], ['responded'], ['pending']]);
});

it.each(INTERACTION_STATUSES)('never answers a second time what is %s', (status) => {
  const isOpen = status === 'pending';
  expect('to' in transition(status, 'respond')).toBe(isOpen);
});

it.each([
  ['resolve', 'resolved'],
  ['cancel', 'cancelled'],
] as const)('takes "%s" again for the same as before', (event, status) => {
  expect(transition(status, event)).toEqual({ to: status });
});

it.each([
  ['resolved', 'cancel'],
  ['cancelled', 'resolve'],
] as const)('never reopens what is %s', (status, event) => {
  expect(transition(status, event)).toHaveProperty('rejected');
});

import { replayTurns, type LoggedEvent } from '../src/index.js';

const queued = (turn_id = 'one'): LoggedEvent => ({ type: 'turn.queued', turn_id, data: {} });
const starting = (attempt: number, epoch: number, turn_id = 'one'): LoggedEvent => ({
  type: 'turn.starting',
  turn_id,
  data: { attempt, epoch, replica_id: 'runner' },
});
const said = (text: string, turn_id = 'one'): LoggedEvent => ({ type: 'agent.update', turn_id, data: { text } });
const event = (type: string, data: object = {}, turn_id = 'one'): LoggedEvent => ({ type, turn_id, data });

describe('replayTurns', () => {
  it('tells of each turn how it stands, and what each attempt wrote', () => {
    const { turns, problems } = replayTurns([
      { type: 'session.created', turn_id: null },
      queued(),
      starting(1, 1),
      event('turn.running'),
      said('a'),
      event('turn.inbox', {}, 'two'),
      event('turn.attempt_lost', { attempt: 1, epoch: 1, requeued: true }),
      starting(2, 3),
      said('b'),
      event('turn.stopping', { reason: 'superseded' }),
      said('c'),
      event('turn.superseded'),
      queued('two'),
    ]);
    expect(problems).toEqual([]);
    expect(turns.get('two')).toEqual({ turn_id: 'two', status: 'queued', attempts: [] });
    expect(turns.get('one')).toEqual({
      turn_id: 'one',
      status: 'superseded',
      stopReason: 'superseded',
      attempts: [
        { attempt: 1, epoch: 1, replica_id: 'runner', updates: [{ text: 'a' }], hasRun: true, end: 'lost' },
        {
          attempt: 2,
          epoch: 3,
          replica_id: 'runner',
          updates: [{ text: 'b' }, { text: 'c' }],
          hasRun: false,
          end: 'superseded',
        },
      ],
    });
  });

  it('takes a turn that is handed over, and one that is lost for good', () => {
    const { turns, problems } = replayTurns([
      queued(),
      starting(1, 1),
      event('turn.handed_over', { attempt: 1, epoch: 1, reason: 'drain' }),
      starting(2, 3),
      event('turn.attempt_lost', { attempt: 2, epoch: 3, requeued: false }),
      event('turn.lost'),
    ]);
    expect(problems).toEqual([]);
    expect(turns.get('one')).toMatchObject({ status: 'lost', attempts: [{ end: 'handed_over' }, { end: 'lost' }] });
  });

  it.each<[string, LoggedEvent[]]>([
    ['two live turns', [queued(), queued('two')]],
    [
      'an epoch that does not grow',
      [queued(), starting(1, 2), event('turn.completed'), queued('two'), starting(1, 2, 'two')],
    ],
    ['an attempt that is left out', [queued(), starting(2, 1)]],
    ['an owner that writes after its end', [queued(), starting(1, 1), event('turn.completed'), said('late')]],
    [
      'an owner that writes after it was lost',
      [queued(), starting(1, 1), event('turn.attempt_lost', { attempt: 1, epoch: 1, requeued: true }), said('late')],
    ],
    ['a question of nobody', [queued(), event('interaction.requested')]],
    ['a claim of what runs', [queued(), starting(1, 1), starting(2, 2)]],
    ['a turn that ends twice', [queued(), event('turn.cancelled'), event('turn.cancelled')]],
    ['a turn that is lost without its owner', [queued(), starting(1, 1), event('turn.lost')]],
    [
      'a prompt that is merged into a turn that is not live',
      [queued(), event('turn.inbox', {}, 'two'), event('turn.merged', { into_turn_id: 'three' }, 'two')],
    ],
    ['an event of turns that nobody knows', [queued(), event('turn.forgotten')]],
  ])('finds %s', (_, events) => {
    expect(replayTurns(events).problems).toHaveLength(1);
  });
});

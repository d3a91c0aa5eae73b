import {
  afterLostOwner,
  isLive,
  MAX_ATTEMPTS,
  transition,
  TURN_OUTCOMES,
  TURN_STATUSES,
} from './session-turn.rules.js';

describe('the life of a turn', () => {
  it('goes from queued over starting to running', () => {
    expect(transition('queued', 'claim')).toBe('starting');
    expect(transition('starting', 'run')).toBe('running');
  });

  it('is over with its outcome: nothing changes a turn that has ended', () => {
    for (const outcome of TURN_OUTCOMES) {
      for (const event of ['claim', 'run', 'stop', 'end', 'hand_back'] as const) {
        expect(transition(outcome, event)).toBe('refused');
      }
    }
  });

  it('can be ended from every live status, and only from those', () => {
    expect(TURN_STATUSES.filter(isLive)).toEqual(['queued', 'starting', 'running', 'stopping']);
  });

  it('a turn that nobody has claimed is cancelled at once; a claimed one stops first', () => {
    expect(transition('queued', 'stop')).toBe('ended');
    expect(transition('starting', 'stop')).toBe('stopping');
    expect(transition('running', 'stop')).toBe('stopping');
  });

  it('a late report of running does not undo a stop', () => {
    expect(transition('stopping', 'run')).toBe('stopping');
  });
});

describe('a turn whose owner is lost', () => {
  it('goes back in line while its prompt was never sent', () => {
    expect(afterLostOwner('starting', 1)).toBe('requeue');
  });

  it('is lost once it ran, since what it did cannot be undone', () => {
    expect(afterLostOwner('running', 1)).toBe('lose');
  });

  it('is lost when its attempts are spent', () => {
    expect(afterLostOwner('starting', MAX_ATTEMPTS)).toBe('lose');
  });
});

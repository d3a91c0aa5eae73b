import { commandOf } from './session-command.rules.js';
import {
  afterLostOwner,
  allowedCommands,
  isLive,
  outcomeOf,
  transition,
  TURN_OUTCOMES,
  TURN_STATUSES,
  type TurnEvent,
} from './session-turn.rules.js';

const EVENTS: TurnEvent[] = ['promote', 'claim', 'run', 'stop', 'end', 'hand_back'];

describe('the life of a turn', () => {
  it('goes from the inbox over queued and starting to running', () => {
    expect(transition('inbox', 'promote')).toBe('queued');
    expect(transition('queued', 'claim')).toBe('starting');
    expect(transition('starting', 'run')).toBe('running');
  });

  it('is over with its outcome: nothing changes a turn that has ended', () => {
    for (const outcome of TURN_OUTCOMES) {
      for (const event of EVENTS) expect(transition(outcome, event)).toBe('refused');
    }
  });

  it('is live in four statuses; what waits in the inbox is not', () => {
    expect(TURN_STATUSES.filter(isLive)).toEqual(['queued', 'starting', 'running', 'stopping']);
  });

  it('a turn that nobody has claimed is cancelled at once; a claimed one stops first', () => {
    expect(transition('inbox', 'stop')).toBe('ended');
    expect(transition('queued', 'stop')).toBe('ended');
    expect(transition('starting', 'stop')).toBe('stopping');
    expect(transition('running', 'stop')).toBe('stopping');
  });

  it('a late report of running does not undo a stop', () => {
    expect(transition('stopping', 'run')).toBe('stopping');
  });

  it('what waits is never claimed before it is promoted', () => {
    expect(transition('inbox', 'claim')).toBe('refused');
  });
});

describe('how a turn ends', () => {
  it('is as it was asked to, when it was asked to stop and only says that it did', () => {
    expect(outcomeOf({ status: 'stopping', stop_status: 'superseded' }, 'cancelled')).toBe('superseded');
    expect(outcomeOf({ status: 'stopping', stop_status: 'cancelled' }, 'cancelled')).toBe('cancelled');
  });

  it('is its own, when it came to an end by itself before it stopped', () => {
    expect(outcomeOf({ status: 'stopping', stop_status: 'superseded' }, 'completed')).toBe('completed');
    expect(outcomeOf({ status: 'stopping', stop_status: 'superseded' }, 'failed')).toBe('failed');
  });
});

describe('a turn whose owner is lost', () => {
  it.each(['starting', 'running'] as const)('goes back in line (%s) while it has attempts left', (status) => {
    expect(afterLostOwner(status, 1, 3)).toBe('requeue');
    expect(afterLostOwner(status, 2, 3)).toBe('requeue');
  });

  it('is lost when its attempts are spent', () => {
    expect(afterLostOwner('running', 3, 3)).toBe('lose');
    expect(afterLostOwner('running', 1, 1)).toBe('lose');
  });

  it('does not go on when it was about to stop', () => {
    expect(afterLostOwner('stopping', 1, 3)).toBe('lose');
  });
});

describe('a command', () => {
  it('is told by its prompt and by force', () => {
    expect(commandOf({ prompt: 'x' })).toBe('send');
    expect(commandOf({ prompt: 'x', force: true })).toBe('steer');
    expect(commandOf({})).toBe('cancel');
    expect(commandOf({ force: true })).toBe('attach');
  });

  it('is taken by a live turn or by an idle session; a prompt that may wait and a kill by both', () => {
    expect(allowedCommands('idle')).toEqual(['send', 'queue', 'steer', 'kill']);
    expect(allowedCommands('running')).toEqual(['queue', 'steer', 'cancel', 'attach', 'kill']);
  });
});

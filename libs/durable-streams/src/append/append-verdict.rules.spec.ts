import type { LogHead, Producer, ProducerState } from '../log-head.js';
import { judgeAppend } from './append-verdict.rules.js';
import type { LogAppend } from './log-append.js';

const OPEN: LogHead = {
  project_id: 'p',
  path: 'sessions/s/events',
  id: 5,
  generation: 5,
  version: 0,
  content_type: 'application/json',
  tail: 7,
  first: 0,
  closed: false,
  closed_by: null,
  last_seq: null,
  ttl_seconds: null,
  expires_at: null,
  state: 'live',
  source_id: null,
  source_path: null,
  fork_anchor: null,
  fork_at: 0,
  lineage_ids: [],
  lineage_ends: [],
  lineage_generations: [],
  epoch: null,
  turn_id: null,
  subscribed: false,
};
const MESSAGE = [Buffer.from('1')];
const by = (epoch: number, seq: number): { producer: Producer } => ({ producer: { id: 'w', epoch, seq } });

/** The code of the refusal, or the kind of what else it is. */
function verdict(append: Partial<LogAppend>, head: Partial<LogHead> | null = {}, last?: ProducerState) {
  const asked = { project_id: OPEN.project_id, path: OPEN.path, messages: MESSAGE, ...append };
  const outcome = judgeAppend(asked, head ? { ...OPEN, ...head } : undefined, last);
  return outcome?.kind === 'refused' ? outcome.error.code : (outcome?.kind ?? 'taken');
}

describe('the verdict on an append', () => {
  it.each<[string, Partial<LogHead> | null, string]>([
    ['that does not exist', null, 'stream_not_found'],
    ['that has expired', { state: 'expired' }, 'stream_not_found'],
    ['that forks alone still read', { state: 'deleted' }, 'stream_deleted'],
    ['that is open', {}, 'taken'],
    ['that is closed', { closed: true }, 'stream_closed'],
  ])('to a log %s', (_, head, expected) => {
    expect(verdict({}, head)).toBe(expected);
  });

  it.each<[string, ProducerState | undefined, [epoch: number, seq: number], string]>([
    ['begins at 0', undefined, [0, 0], 'taken'],
    ['begins with any epoch', undefined, [9, 0], 'taken'],
    ['does not begin at 0', undefined, [0, 1], 'producer_sequence_gap'],
    ['goes on by one', { epoch: 2, seq: 4 }, [2, 5], 'taken'],
    ['leaves one out', { epoch: 2, seq: 4 }, [2, 6], 'producer_sequence_gap'],
    ['repeats the last', { epoch: 2, seq: 4 }, [2, 4], 'duplicate'],
    ['repeats an earlier one', { epoch: 2, seq: 4 }, [2, 0], 'duplicate'],
    ['begins another epoch', { epoch: 2, seq: 4 }, [3, 0], 'taken'],
    ['skips epochs', { epoch: 2, seq: 4 }, [8, 0], 'taken'],
    ['begins another epoch in its middle', { epoch: 2, seq: 4 }, [3, 5], 'producer_epoch_must_start_at_zero'],
    ['is of an epoch that is over', { epoch: 2, seq: 4 }, [1, 5], 'producer_epoch_stale'],
    ['begins an epoch that is over', { epoch: 2, seq: 4 }, [1, 0], 'producer_epoch_stale'],
  ])('of a producer that %s', (_, last, [epoch, seq], expected) => {
    expect(verdict(by(epoch, seq), {}, last)).toBe(expected);
  });

  it.each([
    [null, 'a', 'taken'],
    ['a', 'b', 'taken'],
    ['a', 'a', 'stream_seq_stale'],
    ['b', 'a', 'stream_seq_stale'],
    ['10', '9', 'taken'],
    ['9', '10', 'stream_seq_stale'],
    ['a', 'B', 'stream_seq_stale'],
    ['a', 'aa', 'taken'],
    ['z', 'é', 'taken'],
    ['', 'a', 'taken'],
  ])('after Stream-Seq "%s" with "%s"', (last_seq, seq, expected) => {
    expect(verdict({ seq }, { last_seq })).toBe(expected);
  });

  it('to a closed log: nothing but what was written before, and a close without content', () => {
    const closed = { closed: true };
    expect(verdict({ messages: [], close: true }, closed)).toBe('duplicate');
    expect(verdict({ close: true }, closed)).toBe('stream_closed');
    expect(verdict({ ...by(2, 4), close: true }, closed, { epoch: 2, seq: 4 })).toBe('duplicate');
    expect(verdict({ ...by(2, 5), close: true }, closed, { epoch: 2, seq: 4 })).toBe('stream_closed');
    expect(verdict({ ...by(2, 5), messages: [], close: true }, closed, { epoch: 2, seq: 4 })).toBe('stream_closed');
  });

  it('names the first that is wrong: closure before content type before producer before Stream-Seq', () => {
    const last = { epoch: 2, seq: 4 };
    const wrong = { content_type: 'text/plain', ...by(2, 9), seq: 'a' };
    expect(verdict(wrong, { closed: true, last_seq: 'z' }, last)).toBe('stream_closed');
    expect(verdict(wrong, { last_seq: 'z' }, last)).toBe('content_type_mismatch');
    expect(verdict({ ...wrong, content_type: undefined }, { last_seq: 'z' }, last)).toBe('producer_sequence_gap');
    expect(verdict({ ...wrong, content_type: undefined, ...by(2, 5) }, { last_seq: 'z' }, last)).toBe(
      'stream_seq_stale',
    );
  });

  it('on the log of a session lets only the turn write that owns it, under its very epoch', () => {
    const owned = { epoch: 3, turn_id: 't' };
    const author = { epoch: 3, turn_id: 't' };
    expect(verdict({ author, ...by(3, 0) }, owned)).toBe('taken');
    expect(verdict({ author, ...by(3, 1) }, owned, { epoch: 2, seq: 9 })).toBe('producer_sequence_gap');
    expect(verdict({ author: { ...author, epoch: 2 }, ...by(2, 0) }, owned)).toBe('stale_epoch');
    expect(verdict({ author: { ...author, epoch: 4 }, ...by(4, 0) }, owned)).toBe('stale_epoch');
    expect(verdict({ author: { ...author, turn_id: 'u' }, ...by(3, 0) }, owned)).toBe('turn_mismatch');
    expect(verdict({ author, ...by(3, 0) }, { epoch: null, turn_id: null }, { epoch: 2, seq: 0 })).toBe('stale_epoch');
    // The retry of what was acknowledged is answered alike even when the turn is over.
    expect(verdict({ author, ...by(3, 0) }, { epoch: null, turn_id: null }, { epoch: 3, seq: 0 })).toBe('duplicate');
  });
});

import { Discovery, type Listed } from '../../src/sharing/discovery.js';
import { ManualClock, settled } from './manual-clock.js';

/** A discovery whose lists the test answers one by one. */
function discover({ isHeld = (): boolean => false } = {}) {
  const clock = new ManualClock();
  const asked: { answer: (list: Listed) => void; fail: () => void }[] = [];
  const applied: Listed[] = [];
  const failures: unknown[] = [];
  const discovery = new Discovery<Listed>(
    {
      fetch: () =>
        new Promise((resolve, reject) => asked.push({ answer: resolve, fail: () => reject(new Error('no answer')) })),
      apply: (list) => {
        applied.push(list);
        return list;
      },
      isHeld,
      onFailure: (error) => failures.push(error),
    },
    clock,
  );
  const answer = async (index: number, list: Listed) => {
    asked[index]!.answer(list);
    await settled();
  };
  const tell = async (...events: Parameters<typeof discovery.tell>[0][]) => {
    for (const event of events) void discovery.tell(event);
    await settled();
  };
  return { clock, asked, applied, failures, discovery, answer, tell };
}

describe('discovery where no activity can be read', () => {
  it('Q41 Q42 begins with the task, once', async () => {
    const { discovery, asked, tell } = discover();
    await tell('log_moved', 'refresh');
    expect(asked).toHaveLength(0);
    await tell('resolved', 'resolved');
    expect(asked).toHaveLength(1);
    discovery.close();
  });

  it('Q43 Q44 rests when there are no agents, until something happens in the session; then asks once', async () => {
    const { discovery, clock, asked, answer, tell } = discover();
    await tell('resolved');
    await answer(0, 'listed_none');
    expect(discovery.state).toBe('idle_due_to_no_children');
    await clock.advance(3_600_000);
    expect(asked).toHaveLength(1);
    await tell('log_moved', 'log_moved');
    expect(asked).toHaveLength(2);
    discovery.close();
  });

  it.each([
    ['listed_working', 5_000],
    ['listed_resting', 30_000],
  ] as const)('Q45 asks again after an interval: %s, %d ms', async (listed, ms) => {
    const { discovery, clock, asked, answer, tell } = discover();
    await tell('resolved');
    await answer(0, listed);
    await clock.advance(ms - 1);
    expect(asked).toHaveLength(1);
    await clock.advance(1);
    expect(asked).toHaveLength(2);
    discovery.close();
  });

  it('Q46 a move while all agents rest makes it ask at once, and not again while that is under way', async () => {
    const { discovery, clock, asked, answer, tell } = discover();
    await tell('resolved');
    await answer(0, 'listed_resting');
    await tell('log_moved', 'log_moved');
    expect(asked).toHaveLength(2);
    await answer(1, 'listed_resting');
    expect(clock.pending()).toEqual([30_000]);
    discovery.close();
  });

  it('Q47 of two lists under way only the newer one counts, whichever comes first', async () => {
    const { discovery, clock, asked, applied, answer, tell } = discover();
    await tell('resolved', 'refresh');
    expect(asked).toHaveLength(2);
    await answer(1, 'listed_working');
    await answer(0, 'listed_none');
    expect(applied).toEqual(['listed_working']);
    expect(discovery.state).toBe('polling_soon');
    await clock.advance(5_000);
    await tell('refresh');
    await answer(2, 'listed_none');
    expect(applied).toEqual(['listed_working']);
    await answer(3, 'listed_resting');
    expect(applied).toEqual(['listed_working', 'listed_resting']);
    expect(discovery.state).toBe('polling_late');
    discovery.close();
  });

  it('Q48 a list that does not come is asked for again after the interval', async () => {
    const { discovery, clock, asked, applied, failures, tell } = discover();
    await tell('resolved');
    asked[0]!.fail();
    await settled();
    expect(failures).toHaveLength(1);
    expect(applied).toEqual([]);
    await clock.advance(5_000);
    expect(asked).toHaveLength(2);
    discovery.close();
  });

  it('asks no more once it is closed', async () => {
    const { discovery, clock, asked, answer, tell } = discover();
    await tell('resolved');
    await answer(0, 'listed_working');
    discovery.close();
    await clock.advance(60_000);
    await tell('refresh');
    expect(asked).toHaveLength(1);
    expect(clock.pending()).toEqual([]);
  });
});

describe('discovery where the activity is read', () => {
  it('asks once and never again by itself; Q53 it asks when the stream is lost, and rests when it is back', async () => {
    let isHeld = true;
    const { discovery, clock, asked, answer, tell } = discover({ isHeld: () => isHeld });
    await tell('resolved');
    await answer(0, 'listed_working');
    await clock.advance(3_600_000);
    await tell('log_moved');
    expect(asked).toHaveLength(1);

    isHeld = false;
    await tell('stream_lost');
    expect(asked).toHaveLength(2);
    await answer(1, 'listed_working');
    expect(clock.pending()).toEqual([5_000]);
    isHeld = true;
    await tell('stream_held');
    expect(clock.pending()).toEqual([]);
    expect(discovery.state).toBe('following');
    discovery.close();
  });
});

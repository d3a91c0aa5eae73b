import type { LogHead, LogPage } from '@holdfast/durable-streams';
import type { SessionStreamInvoked } from '@holdfast/sessions-streams';
import { TurnFrames } from '../src/log/turn-frames.js';

const TURN = 'turn-1';
const head = { generation: 7 } as LogHead;

const message = (type: string, turn_id: string | null = TURN, data: object = {}) =>
  JSON.stringify({ type, at: '2026-01-01T00:00:00.000Z', turn_id, data });
const watcher = (watcher_id: string | null) => message('session.watcher_changed', TURN, { watcher_id });

/** Messages as the log has them, from `from` on. */
const page = (messages: string[], from = 0): LogPage => ({
  from,
  next: from + messages.length,
  parts: [Buffer.from(messages.join(','))],
  upToDate: true,
});

describe('the view of one turn', () => {
  let hasEnded: boolean;
  const framesFor = (watcher_id: string | null) => {
    hasEnded = false;
    const invoked = { turn_id: TURN, watcher_id } as SessionStreamInvoked;
    const frames = new TurnFrames(invoked, 'request', () => (hasEnded = true));
    return (shown: LogPage) => frames.page(head, shown).bytes.toString();
  };
  const control = (position: number, more: object = { upToDate: true }) => {
    const streamNextOffset = `0000000000000007_${String(position).padStart(16, '0')}`;
    return `event: control\ndata:${JSON.stringify({ streamNextOffset, ...more })}\n\n`;
  };

  it('has the messages of the turn in the bytes that the log has, and none of others', () => {
    const big = `{"type":"agent.update","turn_id":"${TURN}","data":{"n":123456789012345678901234567890, "x": "a,]\\"b"}}`;
    const show = framesFor(null);
    expect(show(page([message('agent.update', 'another'), big, message('session.created', null)]))).toBe(
      `event: data\ndata:[${big}]\n\n${control(3)}`,
    );
  });

  it('tells the offset where nothing is of the turn', () => {
    expect(framesFor(null)(page([message('turn.running', 'another')], 5))).toBe(control(6));
  });

  it.each(['completed', 'failed', 'cancelled', 'superseded', 'merged', 'paused', 'lost'])(
    'ends with turn.%s, and with the offset after it',
    (outcome) => {
      const end = message(`turn.${outcome}`);
      const show = framesFor(null);
      expect(show(page([end, message('turn.queued', 'another')]))).toBe(
        `event: data\ndata:[${end}]\n\n${control(1, {})}`,
      );
      expect(hasEnded).toBe(true);
    },
  );

  it('goes on past the end of another turn', () => {
    framesFor(null)(page([message('turn.completed', 'another')]));
    expect(hasEnded).toBe(false);
  });

  it('ends for a watcher when another one comes, also much later', () => {
    const show = framesFor('mine');
    show(page([watcher('mine')]));
    const displacing = watcher('next');
    expect(show(page([displacing, message('turn.running')], 1))).toBe(
      `event: data\ndata:[${displacing}]\n\n${control(2, {})}event: displaced\ndata:{"watcher_id":"next"}\n\n`,
    );
    expect(hasEnded).toBe(true);
  });

  it('takes watchers before its own for the past', () => {
    framesFor('mine')(page([watcher('first'), watcher('second'), watcher('mine')]));
    expect(hasEnded).toBe(false);
  });

  it('does not end because a watcher left', () => {
    framesFor('mine')(page([watcher('mine'), watcher(null)]));
    expect(hasEnded).toBe(false);
  });

  it('does not end for one who watches nothing', () => {
    framesFor(null)(page([watcher('first'), watcher('second')]));
    expect(hasEnded).toBe(false);
  });
});

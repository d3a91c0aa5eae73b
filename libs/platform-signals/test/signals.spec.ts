import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { eventually } from '@holdfast/testing';
import { MAX_PAYLOAD_BYTES } from '../src/index.js';
import { availableServers, type ProcessSignals, type SignalServer } from './signal-servers.js';

Logger.overrideLogger(false);

describe.each(availableServers)('signals through $name', ({ start }) => {
  let server: SignalServer;
  let a: ProcessSignals;
  let b: ProcessSignals;
  let channel: string;

  beforeAll(async () => (server = await start()));
  afterAll(() => server.stop());
  beforeEach(async () => {
    [a, b] = await Promise.all([server.connect(), server.connect()]);
    channel = randomUUID();
  });
  afterEach(() => Promise.all([a.onApplicationShutdown(), b.onApplicationShutdown()]));

  /** Subscribes and collects. */
  async function hear(signals: ProcessSignals, on = channel): Promise<string[]> {
    const heard: string[] = [];
    await signals.subscribe(on, (payload) => heard.push(payload));
    return heard;
  }

  it('reach every process, the publisher like all others, once', async () => {
    const [ofA, ofB] = [await hear(a), await hear(b)];
    a.publish(channel, 'first');
    a.publish(channel, 'second');
    await eventually(() =>
      expect([ofA, ofB]).toEqual([
        ['first', 'second'],
        ['first', 'second'],
      ]),
    );
  });

  it('reach a subscriber from the moment its subscription resolves', async () => {
    for (let round = 0; round < 20; round++) {
      const heard = await hear(b, `${channel}-${round}`);
      a.publish(`${channel}-${round}`, 'now');
      await eventually(() => expect(heard).toEqual(['now']));
    }
  });

  it('reach only their own channel', async () => {
    const [heard, elsewhere] = [await hear(b), await hear(b, `${channel}-elsewhere`)];
    a.publish(channel, 'here');
    a.publish(`${channel}-elsewhere`, 'there');
    await eventually(() => expect(elsewhere).toEqual(['there']));
    expect(heard).toEqual(['here']);
  });

  it('no longer reach who unsubscribed, and still reach the others of the channel', async () => {
    const left: string[] = [];
    const listener = (payload: string) => left.push(payload);
    const unsubscribe = await b.subscribe(channel, listener);
    const stayed = await hear(b);
    await unsubscribe();
    await unsubscribe();
    a.publish(channel, 'later');
    await eventually(() => expect(stayed).toEqual(['later']));
    expect(left).toEqual([]);
  });

  it('reach who subscribes again after the last subscriber of the channel left', async () => {
    const unsubscribe = await b.subscribe(channel, () => undefined);
    const leaving = unsubscribe();
    const heard = await hear(b);
    await leaving;
    a.publish(channel, 'again');
    await eventually(() => expect(heard).toEqual(['again']));
  });

  it('reach the other listeners when one throws', async () => {
    await b.subscribe(channel, () => {
      throw new Error('listener failed');
    });
    const heard = await hear(b);
    a.publish(channel, 'one');
    a.publish(channel, 'two');
    await eventually(() => expect(heard).toEqual(['one', 'two']));
  });

  it('become one when they are equal and come in one moment', async () => {
    const heard = await hear(b);
    for (let i = 0; i < 1_000; i++) a.publish(channel, 'same');
    a.publish(channel, 'end');
    await eventually(() => expect(heard).toContain('end'));
    expect(heard).toEqual(['same', 'end']);
  });

  it('arrive in order and complete when a burst needs many batches', async () => {
    const heard = await hear(b);
    const burst = Array.from({ length: 3_000 }, (_, i) => `${i} "é"`);
    for (const payload of burst) a.publish(channel, payload);
    await eventually(() => expect(heard).toHaveLength(burst.length));
    expect(heard).toEqual(burst);
  });

  it('beyond 10 000 that wait are dropped, and those after them arrive', async () => {
    const heard = await hear(b);
    for (let i = 0; i < 10_050; i++) a.publish(channel, String(i));
    await eventually(() => expect(heard).toHaveLength(10_000));
    a.publish(channel, 'after');
    await eventually(() => expect(heard.at(-1)).toBe('after'));
    expect(heard).toHaveLength(10_001);
  });

  it('arrive whole up to the limit of a payload, and without it above', async () => {
    const heard = await hear(b);
    const quotes = 2;
    const longest = 'x'.repeat(MAX_PAYLOAD_BYTES - quotes);
    const longestOfTwoBytes = 'é'.repeat((MAX_PAYLOAD_BYTES - quotes) / 2);
    for (const payload of [longest, longestOfTwoBytes, `${longest}x`, 'é'.repeat(2_100), '\u0000'.repeat(1_000)]) {
      a.publish(channel, payload);
      const count = heard.length;
      await eventually(() => expect(heard.length).toBe(count + 1));
    }
    expect(heard).toEqual([longest, longestOfTwoBytes, '', '', '']);
  });

  it('do not suffer from a channel that is too long', async () => {
    const heard = await hear(b);
    a.publish('c'.repeat(9_000), 'dropped');
    a.publish(channel, 'kept');
    await eventually(() => expect(heard).toEqual(['kept']));
  });

  it('tell of a gap after connections were killed, and then arrive again', async () => {
    const heard = await hear(b);
    let gaps = 0;
    b.onGap(() => gaps++);
    const silenced = jest.fn();
    b.onGap(silenced)();

    expect(await server.killConnections()).toBeGreaterThanOrEqual(4);
    expect(() => a.publish(channel, 'lost or not')).not.toThrow();
    await eventually(() => expect(gaps).toBe(1));

    await eventually(() => {
      a.publish(channel, 'back');
      expect(heard).toContain('back');
    });
    expect(silenced).not.toHaveBeenCalled();
  });

  it('reach who subscribed or stayed unsubscribed during an outage accordingly', async () => {
    const gone: string[] = [];
    const unsubscribe = await b.subscribe(`${channel}-gone`, (payload) => gone.push(payload));
    let gaps = 0;
    b.onGap(() => gaps++);
    await server.killConnections();
    await unsubscribe();
    const heard = await hear(b);
    await eventually(() => expect(gaps).toBe(1));
    await eventually(() => {
      a.publish(`${channel}-gone`, 'unheard');
      a.publish(channel, 'heard');
      expect(heard).toContain('heard');
    });
    expect(gone).toEqual([]);
  });

  it('that were published before the close still leave, and nothing stays open after it', async () => {
    const held = heldResources();
    const c = await server.connect();
    const heard = await hear(b);
    c.publish(channel, 'last words');
    await c.onApplicationShutdown();
    await eventually(() => expect(heard).toEqual(['last words']));
    await eventually(() => expect(heldResources()).toBeLessThanOrEqual(held));
  });

  it('harm nobody while the server cannot be reached', async () => {
    const alone = await server.connectNowhere();
    expect(() => alone.publish(channel, 'into the void')).not.toThrow();
    const unsubscribe = await alone.subscribe(channel, () => undefined);
    await unsubscribe();
    await alone.onApplicationShutdown();
  });
});

/** Sockets and timers: what keeps a process from its end. */
function heldResources(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap' || kind === 'Timeout').length;
}

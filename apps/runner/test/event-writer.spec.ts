import { ControlPlaneRefusal, ControlPlaneUnavailable, StaleEpoch } from '../src/control-plane.js';
import { EventWriter } from '../src/event-writer.js';
import { MemoryControlPlane } from './memory-control-plane.js';

function writerOf(plane: MemoryControlPlane) {
  const grant = plane.invoke('');
  const writer = new EventWriter(grant.turn_id, (seq, events) =>
    plane.appendEvents(grant.log_path, grant.epoch, seq, events),
  );
  return { grant, writer };
}

/** Holds every append until it is released. */
function gate(plane: MemoryControlPlane) {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  plane.beforeAppend = () => opened;
  return open;
}

describe('EventWriter', () => {
  it('writes events once, in order, in an envelope that leaves the data unchanged', async () => {
    const plane = new MemoryControlPlane();
    const { grant, writer } = writerOf(plane);

    for (let n = 0; n < 1_000; n += 1) writer.write('agent.update', { sessionUpdate: 'x', n, _own: { kept: true } });
    await writer.flush();

    expect(plane.events(grant).map(({ data }) => data.n)).toEqual([...Array(1_000).keys()]);
    expect(plane.events(grant)[0]).toEqual({
      type: 'agent.update',
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      turn_id: grant.turn_id,
      data: { sessionUpdate: 'x', n: 0, _own: { kept: true } },
    });
  });

  it('gathers what comes while a batch is on its way, at most 200 events in the next', async () => {
    const plane = new MemoryControlPlane();
    const open = gate(plane);
    const { writer } = writerOf(plane);

    for (let n = 0; n < 451; n += 1) writer.write('agent.update', { n });
    open();
    await writer.flush();

    expect(plane.batches.map(({ seq, count }) => ({ seq, count }))).toEqual([
      { seq: 0, count: 1 },
      { seq: 1, count: 200 },
      { seq: 2, count: 200 },
      { seq: 3, count: 50 },
    ]);
  });

  it('keeps a batch under 512 KiB', async () => {
    const plane = new MemoryControlPlane();
    const open = gate(plane);
    const { writer } = writerOf(plane);

    for (let n = 0; n < 7; n += 1) writer.write('agent.update', { text: 'x'.repeat(200 * 1024) });
    open();
    await writer.flush();

    expect(plane.batches.map(({ count }) => count)).toEqual([1, 2, 2, 2]);
  });

  it('sends a batch whose request or answer was lost again, and never doubles it', async () => {
    const plane = new MemoryControlPlane();
    const { grant, writer } = writerOf(plane);
    let calls = 0;
    plane.beforeAppend = () => {
      if (calls++ % 3 === 0) throw new ControlPlaneUnavailable('the request was lost');
    };
    plane.afterAppend = () => {
      if (calls % 3 === 2) throw new ControlPlaneUnavailable('the answer was lost');
    };

    for (let n = 0; n < 5; n += 1) {
      writer.write('agent.update', { n });
      await writer.flush();
    }

    expect(plane.events(grant).map(({ data }) => data.n)).toEqual([0, 1, 2, 3, 4]);
    expect(calls).toBeGreaterThan(10);
  });

  it('stops for good when its epoch has gone', async () => {
    const plane = new MemoryControlPlane();
    const { grant, writer } = writerOf(plane);
    writer.write('agent.update', { n: 0 });
    await writer.flush();

    plane.fence(grant);
    writer.write('agent.update', { n: 1 });

    await expect(writer.flush()).rejects.toThrow(StaleEpoch);
    expect(writer.ended.reason).toBeInstanceOf(StaleEpoch);
    writer.write('agent.update', { n: 2 });
    expect(plane.events(grant).map(({ data }) => data.n)).toEqual([0]);
  });

  it('puts a notice in the place of the one event that the log refuses, and keeps what was with it in the batch', async () => {
    const plane = new MemoryControlPlane();
    const { grant, writer } = writerOf(plane);
    const append = plane.appendEvents.bind(plane);
    plane.appendEvents = async (path, epoch, seq, events) => {
      if (events.some((text) => text.includes('odd'))) throw new ControlPlaneRefusal(400, 'append_malformed', 'no');
      await append(path, epoch, seq, events);
    };

    for (const n of [0, 1, 'odd', 3, 4]) writer.write('agent.update', { n });
    await writer.flush();

    const notice = { code: 'event_refused', message: expect.stringContaining('append_malformed'), update: null };
    expect(plane.events(grant).map(({ data }) => data)).toEqual([{ n: 0 }, { n: 1 }, notice, { n: 3 }, { n: 4 }]);
    expect(plane.batches.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4]);
  });

  it('puts a notice in the place of an event that nests more than 200 levels, however deep it is', async () => {
    const plane = new MemoryControlPlane();
    const { grant, writer } = writerOf(plane);
    const nested = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`) as object;

    writer.write('agent.update', nested(200));
    for (const levels of [201, 100_000]) writer.write('agent.update', { ...nested(levels), sessionUpdate: 'plan' });
    await writer.flush();

    const notice = { code: 'event_too_deep', message: expect.stringContaining('200'), update: 'plan' };
    expect(plane.events(grant).map(({ data }) => data)).toEqual([nested(200), notice, notice]);
  });

  it('leaves U+0000 and halves of characters as the agent sent them', async () => {
    const plane = new MemoryControlPlane();
    const { grant, writer } = writerOf(plane);
    writer.write('agent.update', { text: 'a\0b\ud800' });
    await writer.flush();
    expect(plane.updates(grant)).toEqual([{ text: 'a\0b\ud800' }]);
  });

  it('ends with the refusal when the log will never take what it has', async () => {
    const plane = new MemoryControlPlane();
    const { writer } = writerOf(plane);
    plane.beforeAppend = () => {
      throw new ControlPlaneRefusal(400, 'request_invalid', 'no');
    };

    writer.write('agent.update', {});

    await expect(writer.flush()).rejects.toThrow(ControlPlaneRefusal);
  });

  it('has no room above 4 MiB until the log has taken some of it', async () => {
    const plane = new MemoryControlPlane();
    const open = gate(plane);
    const { writer } = writerOf(plane);
    const isRoom = async () => {
      const room = writer.room().then(() => true);
      return await Promise.race([room, new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))]);
    };

    for (let n = 0; n < 7; n += 1) writer.write('agent.update', { text: 'x'.repeat(512 * 1024) });
    expect(await isRoom()).toBe(true);
    for (let n = 0; n < 2; n += 1) writer.write('agent.update', { text: 'x'.repeat(512 * 1024) });
    expect(await isRoom()).toBe(false);

    open();
    await writer.room();
    await writer.flush();
    expect(plane.batches.reduce((sum, { count }) => sum + count, 0)).toBe(9);
  });

  it('puts a notice in the place of an event that is larger than 900 KiB', async () => {
    const plane = new MemoryControlPlane();
    const { grant, writer } = writerOf(plane);

    writer.write('agent.update', { sessionUpdate: 'tool_call_update', content: 'x'.repeat(900 * 1024) });
    writer.write('agent.update', { sessionUpdate: 'plan' });
    await writer.flush();

    expect(plane.events(grant).map(({ type, data }) => ({ type, data }))).toEqual([
      {
        type: 'agent.notice',
        data: {
          code: 'event_too_large',
          message: expect.stringContaining('bytes'),
          bytes: expect.any(Number),
          update: 'tool_call_update',
        },
      },
      { type: 'agent.update', data: { sessionUpdate: 'plan' } },
    ]);
  });
});

import type { SessionTurnGrant } from '@holdfast/client';
import { ControlPlaneRefusal } from '../src/control-plane.js';
import type { MemoryControlPlane } from './memory-control-plane.js';
import { isAlive, processIsGone } from './processes.js';
import { TurnBench } from './turn-bench.js';

describe('a turn that is ended before its time', () => {
  let bench: TurnBench | undefined;

  afterEach(async () => {
    await bench?.close();
    bench = undefined;
  });

  /** A turn whose agent has said the pid of its child and then does what the prompt says. */
  async function running(on: TurnBench, prompt: string) {
    bench = on;
    const grant = on.start(`[[fork]]${prompt}`);
    await on.plane.until(() => on.plane.text(grant) !== '');
    return { grant, child: parseInt(on.plane.text(grant), 10) };
  }

  it('is cancelled by the agent itself when it listens', async () => {
    const { grant, child } = await running(new TurnBench({ cancelMs: 20_000 }), '[[hang]]');
    bench?.plane.cancel(grant);

    expect(await bench?.plane.ended(grant)).toEqual({ status: 'cancelled', stop_reason: 'cancelled' });
    await processIsGone(child);
  });

  it('is cancelled by force when the agent is deaf, together with all it started', async () => {
    const { grant, child } = await running(new TurnBench({ cancelMs: 300 }), '[[deaf]][[say:!]][[hang]]');
    await bench?.plane.until(() => bench?.plane.text(grant).endsWith('!'));
    bench?.plane.cancel(grant);

    expect(await bench?.plane.ended(grant)).toEqual({ status: 'cancelled', stop_reason: 'cancelled' });
    await processIsGone(child);
  });

  it('is cancelled while its agent still starts', async () => {
    bench = new TurnBench();
    const update = { jsonrpc: '2.0', method: 'session/update', params: { update: { sessionUpdate: 'early' } } };
    const grant = bench.startScript(`console.log('${JSON.stringify(update)}'); setInterval(() => {}, 1000)`);
    await bench.plane.until(() => bench?.plane.updates(grant).length === 1);
    bench.plane.cancel(grant);
    expect(await bench.plane.ended(grant)).toEqual({ status: 'cancelled', stop_reason: 'cancelled' });
  });

  it('is cancelled also when the command comes before the grant', async () => {
    bench = new TurnBench();
    const grant = bench.plane.invoke('[[hang]]');
    bench.plane.cancel(grant);
    await new Promise((resolve) => setImmediate(resolve));
    bench.turns.start(grant);
    expect(await bench.plane.ended(grant)).toEqual({ status: 'cancelled', stop_reason: 'cancelled' });
  });

  it('writes nothing more once a beat says that it is not current, and its agents end at once', async () => {
    const { grant, child } = await running(new TurnBench({ beatMs: 200 }), '[[deaf]][[say: ]][[stream:9999:5]]');
    await bench?.plane.until(() => bench?.plane.text(grant).includes('chunk 3'));
    bench?.plane.fence(grant);
    const written = bench?.plane.events(grant).length;

    await bench?.turns.all[0]?.finished;
    await processIsGone(child);
    expect(bench?.plane.events(grant)).toHaveLength(written as number);
    expect(bench?.plane.status(grant)).toBe('running');
  });

  it('B15: notices by its beat alone that another owns its session', async () => {
    const { grant, child } = await running(new TurnBench({ beatMs: 200 }), '[[hang]]');
    bench?.plane.fence(grant);
    await processIsGone(child);
  });

  /** A turn whose runner has lost the api until its watchdog ended the agent. */
  async function cutOff(): Promise<{ grant: SessionTurnGrant; plane: MemoryControlPlane }> {
    const { grant, child } = await running(new TurnBench({ beatMs: 100, watchdogMs: 800 }), '[[hang]]');
    const { plane } = bench as TurnBench;
    plane.isDown = true;
    const [downAt, lastBeatAt] = [performance.now(), plane.beats.at(-1)?.at as number];

    await processIsGone(child);
    expect(performance.now() - lastBeatAt).toBeGreaterThan(750);
    expect(performance.now() - downAt).toBeLessThan(3_500);
    expect(plane.status(grant)).toBe('running');
    return { grant, plane };
  }

  it('B17: ends by its watchdog when no beat succeeds, and is done again when the api is back before its lease ran out', async () => {
    const { grant, plane } = await cutOff();
    plane.isDown = false;
    await plane.until(() => plane.status(grant) === 'queued');
    expect(plane.handOvers).toEqual([
      { session_id: grant.session_id, turn_id: grant.turn_id, epoch: grant.epoch, reason: 'lost_contact' },
    ]);
  });

  it('B17: that lost contact fails when the api does not take it back', async () => {
    const { grant, plane } = await cutOff();
    plane.beforeHandOver = () => {
      throw new ControlPlaneRefusal(404, 'route_not_found', 'an api that is older');
    };
    plane.isDown = false;
    expect(await plane.ended(grant)).toMatchObject({ status: 'failed', error: { code: 'runner_lost_contact' } });
  });

  it('B17: that lost contact is nothing of this runner any more when its lease was swept', async () => {
    const { grant, plane } = await cutOff();
    plane.lose(grant);
    plane.isDown = false;
    await bench?.turns.all[0]?.finished;
    expect([plane.handOvers, plane.status(grant)]).toEqual([[], 'queued']);
  });

  it('ends with its watchdog', async () => {
    bench = new TurnBench();
    const { plane } = bench;
    const grant = bench.startScript(`
      const update = { pid: process.pid, watchdog: process.ppid };
      console.log(JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params: { update } }));
      process.on('SIGTERM', () => {});
      setInterval(() => {}, 1000);`);
    const { pid, watchdog } = await plane.until(
      () => plane.updates(grant)[0] as Record<'pid' | 'watchdog', number> | undefined,
    );
    process.kill(watchdog, 'SIGKILL');

    expect(await plane.ended(grant)).toMatchObject({
      status: 'failed',
      error: { code: 'agent_exited', message: expect.stringContaining('watchdog') },
    });
    await processIsGone(pid);
  });

  it('lives on for as long as beats succeed', async () => {
    bench = new TurnBench({ beatMs: 200, watchdogMs: 1_500 });
    const grant = bench.start('[[stream:25:100]]');
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(bench.plane.beats.length).toBeGreaterThan(8);
  });

  it('K1: gives way to the next turn of its session', async () => {
    const { grant, child } = await running(new TurnBench(), '[[deaf]][[hang]]');
    const next = bench?.start('[[say:next]]', { session_id: grant.session_id });

    expect(await bench?.plane.ended(next as NonNullable<typeof next>)).toMatchObject({ status: 'completed' });
    expect(isAlive(child)).toBe(false);
  });

  it('K1: that was lost and comes to the same runner again begins when nobody works in its folder any more', async () => {
    const { grant, child } = await running(new TurnBench(), '[[deaf]][[daemon]][[say: !]][[listen]]');
    const { plane, turns } = bench as TurnBench;
    await plane.until(() => plane.text(grant).endsWith('!'));
    const daemon = Number(plane.updates(grant).map(({ content }) => (content as { text: string }).text)[1]);
    plane.lose(grant);
    const again = plane.grantOf(grant);
    const before = plane.events(grant).length;
    turns.start(again);
    await plane.until(() => plane.events(grant).length > before);
    expect([child, daemon].map(isAlive)).toEqual([false, false]);

    // Of the attempt that is over.
    plane.cancel(grant);
    plane.steer(again, '[[say: done]]');
    expect(await plane.ended(again)).toMatchObject({ status: 'completed' });
    expect(plane.text(again)).toContain(' done');
  });
});

import { ControlPlaneUnavailable } from '../src/control-plane.js';
import { processIsGone } from './processes.js';
import { TurnBench } from './turn-bench.js';

describe('Heartbeat', () => {
  let bench: TurnBench;

  afterEach(async () => {
    await bench.close();
  });

  it('renews all turns in one request', async () => {
    bench = new TurnBench({ beatMs: 100 });
    const grants = [bench.start('[[hang]]'), bench.start('[[hang]]'), bench.start('[[hang]]')];
    const beat = await bench.plane.until(() =>
      bench.plane.beats.find(({ turns }) => turns.filter(({ status }) => status === 'running').length === 3),
    );
    expect(beat.turns.map(({ turn_id }) => turn_id)).toEqual(grants.map(({ turn_id }) => turn_id));
  });

  it('gives a beat that hangs up before the next one is due', async () => {
    bench = new TurnBench({ beatMs: 200, watchdogMs: 1_500 });
    const beat = bench.plane.heartbeat.bind(bench.plane);
    let calls = 0;
    bench.plane.heartbeat = async (asked, signal?: AbortSignal) => {
      calls += 1;
      if (calls % 2 === 0) return await beat(asked);
      await new Promise((resolve) => signal?.addEventListener('abort', resolve));
      throw new ControlPlaneUnavailable('no answer');
    };
    const grant = bench.start('[[stream:20:100]]');
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(calls).toBeGreaterThan(6);
  });

  it('keeps the other turns when the line of one is refused', async () => {
    bench = new TurnBench({ beatMs: 100, watchdogMs: 1_500 });
    const { plane } = bench;
    const beat = plane.heartbeat.bind(plane);
    const [odd, sound] = [plane.invoke('[[hang]]'), plane.invoke('[[stream:30:100]]')];
    plane.heartbeat = async (asked) =>
      await beat({
        ...asked,
        turns: asked.turns.map((line) =>
          line.turn_id === odd.turn_id && line.status === 'running' ? { ...line, agent_session_id: 'a\0' } : line,
        ),
      });
    for (const grant of [odd, sound]) bench.turns.start(grant);
    expect(await plane.ended(sound)).toMatchObject({ status: 'completed' });
    // Nobody else could do better with it.
    expect(await plane.ended(odd)).toMatchObject({ status: 'failed', error: { code: 'runner_lost_contact' } });
    expect(plane.handOvers).toEqual([]);
  });

  it('grants time from when a beat was sent, not from when it was answered', async () => {
    bench = new TurnBench({ beatMs: 2_000, watchdogMs: 1_500 });
    const { plane } = bench;
    const grant = bench.start('[[fork]][[hang]]');
    await plane.until(() => plane.text(grant) !== '');
    const beat = plane.heartbeat.bind(plane);
    let sentAt = 0;
    plane.heartbeat = async (asked) => {
      if (sentAt > 0) throw new ControlPlaneUnavailable('gone');
      sentAt = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return await beat(asked);
    };
    void bench.beatNow();

    await processIsGone(parseInt(plane.text(grant), 10));
    expect(performance.now() - sentAt).toBeGreaterThan(1_400);
    expect(performance.now() - sentAt).toBeLessThan(2_400);
  });
});

import { ControlPlaneRefusal, ControlPlaneUnavailable } from '../src/control-plane.js';
import { isAlive } from './processes.js';
import { TurnBench } from './turn-bench.js';

describe('K5: a runner that stops', () => {
  let bench: TurnBench;

  beforeEach(() => {
    bench = new TurnBench({ cancelMs: 2_000, orderlyEndMs: 300 });
  });

  afterEach(async () => {
    await bench.close();
  });

  /** A turn whose agent has said the pid of its child and then does what the prompt says. */
  async function running(prompt: string) {
    const grant = bench.start(`[[fork]]${prompt}`);
    await bench.plane.until(() => bench.plane.text(grant) !== '');
    return { grant, child: parseInt(bench.plane.text(grant), 10) };
  }

  it('hands each turn over, once its agent has stopped and the log has all that it said', async () => {
    const { grant, child } = await running('[[stream:9999:5]]');
    await bench.plane.until(() => bench.plane.text(grant).includes('chunk 3'));
    let whenHandedOver: { alive: boolean; text: string } | undefined;
    bench.plane.beforeHandOver = () => {
      whenHandedOver = { alive: isAlive(child), text: bench.plane.text(grant) };
    };
    await bench.turns.drain();

    expect(bench.plane.handOvers).toEqual([
      { session_id: grant.session_id, turn_id: grant.turn_id, epoch: grant.epoch, reason: 'runner_stopped' },
    ]);
    expect(bench.plane.status(grant)).toBe('queued');
    expect(whenHandedOver).toEqual({ alive: false, text: bench.plane.text(grant) });
  });

  it('hands over also what has not begun, and what it is granted while it stops', async () => {
    const starting = bench.startScript('setInterval(() => {}, 1000)');
    const draining = bench.turns.drain();
    const late = bench.start('[[say:never]]');
    await draining;
    await bench.plane.until(() => bench.plane.handOvers.length === 2);
    expect(bench.plane.events(starting).concat(bench.plane.events(late))).toEqual([]);
  });

  it('completes a turn that comes to its end meanwhile', async () => {
    await bench.close();
    bench = new TurnBench({ cancelMs: 20_000, orderlyEndMs: 300 });
    const { grant } = await running('[[deaf]][[stream:3:100]]');
    await bench.plane.until(() => bench.plane.text(grant).includes('chunk 1'));
    await bench.turns.drain();
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(bench.plane.handOvers).toEqual([]);
  });

  it('cancels a turn that was cancelled before or after', async () => {
    const [before, after] = [await running('[[deaf]][[say:!]][[hang]]'), await running('[[deaf]][[say:!]][[hang]]')];
    await bench.plane.until(() => [before, after].every(({ grant }) => bench.plane.text(grant).endsWith('!')));
    bench.plane.cancel(before.grant);
    await bench.plane.until(() => bench.commands.offset === '1');
    const draining = bench.turns.drain();
    bench.plane.cancel(after.grant);
    await draining;
    for (const { grant } of [before, after])
      expect(await bench.plane.ended(grant)).toMatchObject({ status: 'cancelled' });
  });

  it('tells again until the api has heard', async () => {
    const { grant } = await running('[[hang]]');
    let calls = 0;
    bench.plane.beforeHandOver = () => {
      calls += 1;
      if (calls < 3) throw new ControlPlaneUnavailable('restarting');
    };
    await bench.turns.drain();
    expect([calls, bench.plane.status(grant)]).toEqual([3, 'queued']);
  });

  it('fails with runner_stopped a turn that cannot be handed over', async () => {
    const { grant } = await running('[[hang]]');
    bench.plane.beforeHandOver = () => {
      throw new ControlPlaneRefusal(409, 'turn_not_live', 'no');
    };
    await bench.turns.drain();
    expect(await bench.plane.ended(grant)).toEqual({
      status: 'failed',
      error: { code: 'runner_stopped', message: expect.any(String) },
    });
  });

  it('is granted a turn again that it handed over, and starts it in the folder that nobody works in', async () => {
    const { grant, child } = await running('[[write:note.txt:x]]');
    await bench.turns.drain();
    const again = new TurnBench({ folder: bench.folder });
    const next = again.start('[[say:next]]', { session_id: grant.session_id });
    expect(await again.plane.ended(next)).toMatchObject({ status: 'completed' });
    expect(isAlive(child)).toBe(false);
    await again.close();
  });
});

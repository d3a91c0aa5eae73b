import type { SessionTurnGrant } from '@holdfast/client';
import { isAlive, processIsGone } from './processes.js';
import { TurnBench } from './turn-bench.js';

describe('an agent that uses more than its turn may', () => {
  let bench: TurnBench | undefined;

  afterEach(async () => {
    await bench?.close();
    bench = undefined;
  });

  const failed = (code: string, ...parts: string[]) => ({
    status: 'failed',
    error: { code, message: expect.stringMatching(new RegExp(parts.join('[\\s\\S]*'))) },
  });

  /** A turn whose agent has said the pid of its child and then does what the prompt says. */
  async function running(on: TurnBench, prompt: string) {
    bench = on;
    const grant = on.start(`[[fork]]${prompt}`);
    await on.plane.until(() => on.plane.text(grant) !== '');
    return { grant, child: parseInt(on.plane.text(grant), 10) };
  }

  it('of output is ended with its whole group, and what it wrote until then is in the log', async () => {
    const { grant, child } = await running(new TurnBench({ limits: { outputMib: 1 } }), '[[deaf]][[flood:999999]]');
    expect(await bench?.plane.ended(grant)).toMatchObject(
      failed('agent_output_limit', '1 MiB', 'HOLDFAST_MAX_OUTPUT_MIB'),
    );
    expect(isAlive(child)).toBe(false);
    const [, ...numbers] =
      bench?.plane.updates(grant).map(({ content }) => parseInt((content as { text: string }).text, 10)) ?? [];
    expect(numbers.length).toBeGreaterThan(700);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it('of output is ended also when it says all of it on stderr', async () => {
    const { grant, child } = await running(new TurnBench({ limits: { outputMib: 1 } }), '[[deaf]][[noise:999999]]');
    expect(await bench?.plane.ended(grant)).toMatchObject(failed('agent_output_limit', '1 MiB', 'stderr is not'));
    expect(isAlive(child)).toBe(false);
  });

  it('of memory is ended with its whole group', async () => {
    const { grant, child } = await running(
      new TurnBench({ limits: { memoryMib: 300 } }),
      '[[deaf]][[eat:400]][[hang]]',
    );
    expect(await bench?.plane.ended(grant)).toMatchObject(
      failed('agent_memory_limit', 'the limit is 300 MiB', 'HOLDFAST_MAX_MEMORY_MIB'),
    );
    expect(isAlive(child)).toBe(false);
  });

  it('of processes is ended with all of them', async () => {
    const { grant, child } = await running(new TurnBench({ limits: { processes: 6 } }), '[[deaf]][[spawn:8]][[hang]]');
    expect(await bench?.plane.ended(grant)).toMatchObject(
      failed('agent_process_limit', '\\d+ processes; the limit is 6', 'HOLDFAST_MAX_PROCESSES'),
    );
    expect(isAlive(child)).toBe(false);
  });

  it('of processes is ended also when each of them left the group', async () => {
    const { grant } = await running(
      new TurnBench({ limits: { processes: 4 } }),
      '[[daemon]][[daemon]][[daemon]][[hang]]',
    );
    expect(await bench?.plane.ended(grant)).toMatchObject(failed('agent_process_limit', 'the limit is 4'));
    for (const text of textsOf(grant)) await processIsGone(Number(text));
  }, 60_000);

  it('K4: of time is ended although it hangs and ignores signals', async () => {
    bench = new TurnBench({ limits: { turnMinutes: 3 / 60 } });
    const grant = bench.start('[[fork]][[deaf]][[hang]]');
    expect(await bench.plane.ended(grant)).toMatchObject(failed('agent_time_limit', 'HOLDFAST_MAX_TURN_MINUTES'));
    expect(textsOf(grant).map(Number).some(isAlive)).toBe(false);
  });

  it('is not ended for what the agent of another turn uses', async () => {
    bench = new TurnBench({ limits: { processes: 6, outputMib: 1 } });
    const { plane } = bench;
    const modest = bench.start('[[say:here]][[listen]]');
    await plane.until(() => plane.text(modest) === 'here');
    const greedy = [bench.start('[[spawn:8]][[hang]]'), bench.start('[[flood:999999]]')];
    for (const grant of greedy) expect(await plane.ended(grant)).toMatchObject({ status: 'failed' });
    plane.steer(modest, '[[say: still]]');
    expect(await plane.ended(modest)).toMatchObject({ status: 'completed' });
    expect(plane.text(modest)).toBe('here still');
  });

  it('is cancelled when that was asked for before', async () => {
    const on = new TurnBench({ limits: { outputMib: 1 }, cancelMs: 20_000 });
    const { grant } = await running(on, '[[deaf]][[stream:3:300]][[flood:999999]]');
    await on.plane.until(() => on.plane.text(grant).includes('chunk 1'));
    on.plane.cancel(grant);
    expect(await bench?.plane.ended(grant)).toMatchObject({ status: 'cancelled' });
  });

  function textsOf(grant: SessionTurnGrant): string[] {
    return bench?.plane.updates(grant).map(({ content }) => (content as { text: string }).text) ?? [];
  }
});

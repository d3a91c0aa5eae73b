import { ControlPlaneRefusal, ControlPlaneUnavailable } from '../src/control-plane.js';
import { isAlive } from './processes.js';
import { TurnBench } from './turn-bench.js';

describe('a command', () => {
  let bench: TurnBench;

  beforeEach(() => {
    bench = new TurnBench({ orderlyEndMs: 300 });
  });

  afterEach(async () => {
    await bench.close();
  });

  /** A turn whose agent has said `here`, and then does what the prompt says. */
  async function running(prompt: string, on = bench) {
    const grant = on.start(`[[say:here]]${prompt}`);
    await on.plane.until(() => on.plane.text(grant) === 'here');
    return grant;
  }

  const waiting = (turnId: string) => bench.plane.inbox.find(({ turn_id }) => turn_id === turnId)?.status;

  describe('to kill', () => {
    it('C1: ends the agent at once with all it started, and nothing more is reported', async () => {
      const grant = bench.start('[[deaf]][[fork]][[stream:9999:5]]');
      await bench.plane.until(() => bench.plane.text(grant).includes('chunk 3'));
      const child = parseInt(bench.plane.text(grant), 10);
      const [host] = bench.turns.all;
      bench.plane.kill(grant);
      const written = bench.plane.events(grant).length;
      await host?.finished;
      expect(isAlive(child)).toBe(false);
      expect(bench.turns.size).toBe(0);
      expect(bench.plane.events(grant)).toHaveLength(written);
      expect(await bench.plane.ended(grant)).toEqual({ status: 'cancelled', stop_reason: 'killed' });
    });

    it('is not for who was granted the turn afterwards', async () => {
      const first = await running('[[hang]]');
      const [host] = bench.turns.all;
      bench.plane.lose(first);
      host?.lose();
      await host?.finished;
      const again = bench.plane.grantOf(first);
      bench.turns.start(again);
      await bench.plane.until(() => bench.plane.status(again) === 'running');
      bench.plane.command('kill', first);
      bench.plane.cancel(again);
      expect(await bench.plane.ended(again)).toEqual({ status: 'cancelled', stop_reason: 'cancelled' });
    });

    it('is obeyed also when it comes before the grant', async () => {
      const grant = bench.plane.invoke('[[say:never]]');
      bench.plane.kill(grant);
      await new Promise((resolve) => setImmediate(resolve));
      bench.turns.start(grant);
      await bench.turns.all[0]?.finished;
      expect(bench.plane.events(grant)).toEqual([]);
    });
  });

  describe('to steer', () => {
    it('hands the text to the agent that runs, and tells that it took it before the turn ends', async () => {
      const grant = await running('[[listen]][[say: last]]');
      const prompt = bench.plane.steer(grant, '[[say: steered]]');
      let statusAtEnd: string | undefined;
      bench.plane.beforeComplete = () => void (statusAtEnd = waiting(prompt));
      expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
      expect(bench.plane.text(grant)).toBe('here steered last');
      expect(statusAtEnd).toBe('merged');
    });

    it('tells it until the api has heard, and does not end the turn before', async () => {
      const grant = await running('[[listen]]');
      let calls = 0;
      bench.plane.beforeMerge = () => {
        calls += 1;
        if (calls < 4) throw new ControlPlaneUnavailable('restarting');
      };
      let statusAtEnd: string | undefined;
      const prompt = bench.plane.steer(grant, '[[say: steered]]');
      bench.plane.beforeComplete = () => void (statusAtEnd = waiting(prompt));
      await bench.plane.ended(grant);
      expect([calls, statusAtEnd]).toEqual([4, 'merged']);
    });

    it.each([
      ['does not know how', `initialize: { protocolVersion: 1 }`, `{}`],
      [
        'says that its prompt is over',
        `initialize: { protocolVersion: 1, _meta: { steering: { supported: true } } }`,
        `{ outcome: 'promptRequired' }`,
      ],
      [
        'answers with something else',
        `initialize: { protocolVersion: 1, _meta: { steering: { supported: true } } }`,
        `null`,
      ],
    ])('leaves the prompt where it is when the agent %s', async (_, initialize, answer) => {
      const grant = bench.startScript(`
        const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
        const answers = { ${initialize}, 'session/new': { sessionId: 's' }, '_session/steering': ${answer} };
        let prompt;
        require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
          const { id, method } = JSON.parse(line);
          if (method === 'session/prompt') send({ method: 'session/update', params: { sessionId: 's', update: { n: (prompt = id) } } });
          else if (method === 'session/cancel') send({ id: prompt, result: { stopReason: 'end_turn' } });
          else send({ id, result: answers[method] });
        });`);
      await bench.plane.until(() => bench.plane.updates(grant).length === 1);
      const prompt = bench.plane.steer(grant, 'more');
      bench.plane.cancel(grant);
      await bench.plane.ended(grant);
      expect(waiting(prompt)).toBe('inbox');
    });

    it('leaves the prompt where it is when the turn is stopping', async () => {
      const grant = await running('[[deaf]][[stream:3:200]]');
      bench.plane.cancel(grant);
      const late = bench.plane.steer(grant, '[[say:late]]');
      await bench.plane.ended(grant);
      expect(waiting(late)).toBe('inbox');
      expect(bench.plane.text(grant)).not.toContain('late');
    });

    it('hands the text in also when it comes before the agent has its prompt', async () => {
      const grant = bench.plane.invoke('[[listen]]');
      const early = bench.plane.steer(grant, '[[say:early]]');
      bench.turns.start(grant);
      expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
      expect(waiting(early)).toBe('merged');
      expect(bench.plane.text(grant)).toBe('early');
    });

    it('does not fail the turn when the prompt was withdrawn meanwhile', async () => {
      const grant = await running('[[listen]]');
      bench.plane.beforeMerge = () => {
        throw new ControlPlaneRefusal(409, 'turn_not_waiting', 'It was withdrawn.');
      };
      bench.plane.steer(grant, '[[say: steered]]');
      expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    });

    it('does not wait for the answer of an agent that dies', async () => {
      const grant = bench.startScript(`
        const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
        require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
          const { id, method } = JSON.parse(line);
          if (method === 'initialize') send({ id, result: { protocolVersion: 1, _meta: { steering: { supported: true } } } });
          if (method === 'session/new') send({ id, result: { sessionId: 's' } });
          if (method === 'session/prompt') send({ method: 'session/update', params: { sessionId: 's', update: { n: 1 } } });
          if (method === '_session/steering') process.exit(1);
        });`);
      await bench.plane.until(() => bench.plane.updates(grant).length === 1);
      const prompt = bench.plane.steer(grant, 'more');
      expect(await bench.plane.ended(grant)).toMatchObject({ error: { code: 'agent_exited' } });
      expect(waiting(prompt)).toBe('inbox');
    });
  });

  it('B18: reaches the turn by the answer to a beat while the control log cannot be read', async () => {
    const deafened = new TurnBench({ beatMs: 100 });
    deafened.plane.logsCommands = false;
    const grant = await running('[[hang]]', deafened);
    deafened.plane.cancel(grant);
    expect(await deafened.plane.ended(grant)).toEqual({ status: 'cancelled', stop_reason: 'cancelled' });
    await deafened.close();
  });

  it('that comes by the log and by beats is obeyed once', async () => {
    const grant = await running('[[listen]][[listen]][[say:!]]');
    bench.plane.steer(grant, '[[say: one]]');
    await bench.plane.until(() => bench.plane.text(grant).endsWith('one'));
    for (let n = 0; n < 3; n += 1) {
      bench.commands.offset = '-1';
      await bench.beatNow();
    }
    bench.plane.steer(grant, '[[say: two]]');
    await bench.plane.ended(grant);
    expect(bench.plane.text(grant)).toBe('here one two!');
  });

  it('B10: is acknowledged by its offset in the next beat', async () => {
    const grant = await running('[[listen]][[listen]]');
    await bench.beatNow();
    expect(bench.plane.beats.at(-1)?.control_offset).toBe('-1');
    bench.plane.steer(grant, '[[say: one]]');
    await bench.plane.until(() => bench.plane.text(grant).endsWith('one'));
    await bench.beatNow();
    expect(bench.plane.beats.at(-1)?.control_offset).toBe('1');
  });

  it('that this runner does not know changes nothing', async () => {
    const grant = await running('[[listen]]');
    bench.plane.command('dance', grant);
    bench.plane.steer(grant, '[[say: on]]');
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(bench.plane.text(grant)).toBe('here on');
  });

  describe('B15: that no beat gives', () => {
    it('ends a turn that a beat says is not current, once, whatever comes after', async () => {
      const grant = await running('[[deaf]][[hang]]');
      const [host] = bench.turns.all;
      bench.plane.fence(grant);
      await Promise.all([bench.beatNow(), bench.beatNow()]);
      await host?.finished;
      expect(bench.turns.size).toBe(0);
      expect(bench.plane.status(grant)).toBe('running');
    });

    it('B16: is followed by no beat for a turn that is over', async () => {
      const over = bench.start('[[say:x]]');
      await bench.plane.ended(over);
      const [host] = bench.turns.all.filter(({ key }) => key.turn_id === over.turn_id);
      await host?.finished;
      const live = await running('[[hang]]');
      await bench.beatNow();
      expect(bench.plane.beats.at(-1)?.turns.map(({ turn_id }) => turn_id)).toEqual([live.turn_id]);
    });

    it('is not taken from a beat that could not be judged: the lease decides', async () => {
      const grant = await running('[[listen]]');
      const beat = bench.plane.heartbeat.bind(bench.plane);
      bench.plane.heartbeat = async (asked) => {
        const { turns, commands } = await beat(asked);
        const error = { code: 'beat_malformed' as const, message: 'no' };
        return { turns: turns.map((turn) => ({ ...turn, is_current: false, error })), commands };
      };
      await bench.beatNow();
      bench.plane.steer(grant, '[[say: on]]');
      expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    });
  });
});

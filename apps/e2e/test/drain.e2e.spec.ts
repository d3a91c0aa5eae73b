import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { eventually } from '@holdfast/testing';
import { followUntil, textOf, typesOf, type Seen } from './follow.js';
import { service, startStack, type Service, type Stack } from './stack.js';

const runnerProgram = path.resolve(import.meta.dirname, '../../runner/dist/main.js');

/** A runner that is slow to be scheduled must not lose its lease. */
const PATIENT = { LEASE_SECONDS: '12', WATCHDOG_SECONDS: '9', STOPPING_SECONDS: '5' };

describe('runners that come and go', () => {
  let stack: Stack;
  const runners: Service[] = [];

  beforeAll(async () => {
    stack = await startStack({ runner: false, env: PATIENT });
  }, 60_000);
  afterEach(() => Promise.all(runners.splice(0).map((runner) => runner.stop())), 30_000);
  afterAll(() => stack?.stop(), 30_000);

  async function startRunner(env: Record<string, string> = {}): Promise<Service> {
    const settings = {
      PATH: process.env['PATH'] ?? '',
      HOLDFAST_URL: stack.url,
      HOLDFAST_RUNNER_KEY: stack.keys.runner_key,
      HOLDFAST_RUNNER_DIR: path.join(stack.folder, randomUUID()),
      ...env,
    };
    const runner: Service = service('runner', runnerProgram, settings, async () => {
      if (!runner.output().includes('runner ready')) throw new Error('not ready yet');
    });
    runners.push(runner);
    await runner.start();
    return runner;
  }

  const says = (text: string) => (seen: Seen) => textOf([seen]).includes(text);
  const isGone = (pid: number) => eventually(() => expect(existsSync(`/proc/${pid}`)).toBe(false));

  it('K5: a runner that is stopped hands its turn over, and another one carries on', async () => {
    const session_id = `s-${randomUUID()}`;
    const first = await startRunner();
    const { turn_id } = await stack.client.invoke({ session_id, prompt: '[[say:here]][[listen]]' });
    const before = await followUntil(stack, session_id, says('here'));
    await startRunner();
    await first.stop();
    const offset = before.at(-1)!.offset;
    const again = await followUntil(stack, session_id, says('here'), offset);
    expect(typesOf(again).filter((type) => type.startsWith('turn.'))).toEqual([
      'turn.handed_over',
      'turn.starting',
      'turn.running',
    ]);

    const steer = { session_id, prompt: '[[say: carried on]]', force: true, delivery: 'in_turn' as const };
    const steered = await stack.client.invoke(steer);
    const rest = await followUntil(stack, session_id, ({ event }) => event.type === 'turn.completed', offset);
    expect(typesOf(rest)).toContain('turn.merged');
    expect(textOf(rest)).toBe('here carried on');
    expect(await stack.client.streams.fetchSessionTurn({ turn_id })).toMatchObject({ status: 'completed', attempt: 2 });
    expect(await stack.client.streams.fetchSessionTurn({ turn_id: steered.turn_id })).toMatchObject({
      status: 'merged',
    });
  });

  it('C1: a kill ends the agent at once, with what left its process group', async () => {
    const session_id = `s-${randomUUID()}`;
    await startRunner();
    await stack.client.invoke({ session_id, prompt: '[[deaf]][[daemon]][[hang]]' });
    const seen = await followUntil(stack, session_id, (one) => textOf([one]) !== '');
    const daemon = parseInt(textOf(seen), 10);
    await stack.client.streams.killSessionStream({ SessionStreamKill: { session_id } });
    await isGone(daemon);
    const rest = await followUntil(stack, session_id, ({ event }) => event.type === 'session.killed');
    expect(typesOf(rest)).toContain('turn.cancelled');
  });

  it('an agent that goes over a limit is ended, and the turn says so', async () => {
    const session_id = `s-${randomUUID()}`;
    await startRunner({ HOLDFAST_MAX_OUTPUT_MIB: '1', HOLDFAST_LABELS: 'size=small' });
    const { turn_id } = await stack.client.invoke({ session_id, prompt: '[[deaf]][[flood:999999]]' });
    await followUntil(stack, session_id);
    expect(await stack.client.streams.fetchSessionTurn({ turn_id })).toMatchObject({
      status: 'failed',
      error: { code: 'agent_output_limit', message: expect.stringContaining('HOLDFAST_MAX_OUTPUT_MIB') },
    });
  });
});

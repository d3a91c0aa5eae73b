import type { SessionStreamInvoke } from '@holdfast/sessions-streams';
import { startFlows, type Flows, type Project } from './flows-fixture.js';

const STATES = ['unknown', 'idle', 'queued', 'starting', 'running', 'stopping'] as const;

type State = (typeof STATES)[number];

const COMMANDS = {
  send: { prompt: 'again' },
  queue: { prompt: 'again', on_busy: 'queue' },
  steer: { prompt: 'again', force: true },
  in_turn: { prompt: 'again', force: true, delivery: 'in_turn' },
  cancel: {},
  attach: { force: true },
} satisfies Record<string, Partial<SessionStreamInvoke>>;

type Command = keyof typeof COMMANDS | 'kill';

/**
 * What becomes of the live turn, then what of the prompt; or why the command is refused. A dash: there is none. Being
 * `stopping` here means that the turn was cancelled.
 */
// prettier-ignore
const MATRIX: Record<Command, Record<State, string>> = {
  send:    { unknown: '-, queued',         idle: '-, queued',    queued: 'session_in_use',     starting: 'session_in_use',  running: 'session_in_use',  stopping: 'session_in_use' },
  queue:   { unknown: '-, queued',         idle: '-, queued',    queued: 'queued, inbox',      starting: 'starting, inbox', running: 'running, inbox',  stopping: 'stopping, inbox' },
  steer:   { unknown: '-, queued',         idle: '-, queued',    queued: 'superseded, queued', starting: 'stopping, inbox', running: 'stopping, inbox', stopping: 'stopping, inbox' },
  in_turn: { unknown: '-, queued',         idle: '-, queued',    queued: 'queued, inbox',      starting: 'starting, inbox', running: 'running, inbox',  stopping: 'stopping, inbox' },
  cancel:  { unknown: 'session_not_found', idle: 'no_live_turn', queued: 'cancelled, -',       starting: 'stopping, -',     running: 'stopping, -',     stopping: 'stopping, -' },
  attach:  { unknown: 'session_not_found', idle: 'no_live_turn', queued: 'queued, -',          starting: 'starting, -',     running: 'running, -',      stopping: 'stopping, -' },
  kill:    { unknown: 'session_not_found', idle: '-, -',         queued: 'cancelled, -',       starting: 'cancelled, -',    running: 'cancelled, -',    stopping: 'cancelled, -' },
};

const ALLOWED = {
  idle: ['send', 'queue', 'steer', 'kill'],
  live: ['queue', 'steer', 'cancel', 'attach', 'kill'],
};

describe('the commands of a session, in each of its states', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  let sessions = 0;

  /** A session in that state, and its live turn. */
  async function sessionIn(state: State): Promise<{ session_id: string; live: string | undefined }> {
    const session_id = `s-${(sessions += 1)}`;
    if (state === 'unknown') return { session_id, live: undefined };
    const live = await project.send(session_id);
    if (state === 'queued') return { session_id, live };
    const owned = await project.claim(session_id);
    if (state !== 'starting') await project.run(owned);
    if (state === 'stopping') await project.cancel(session_id);
    if (state === 'idle') await project.complete(owned);
    return { session_id, live: state === 'idle' ? undefined : live };
  }

  const order = async (session_id: string, command: Command): Promise<string | undefined> => {
    if (command === 'kill') return void (await project.kill(session_id));
    const { turn_id } = await project.invoke({ session_id, ...COMMANDS[command], detached: true });
    return 'prompt' in COMMANDS[command] ? turn_id : undefined;
  };

  const statusOf = async (turn_id: string | undefined) =>
    turn_id === undefined ? '-' : (await project.turn(turn_id)).status;

  const cells = (Object.keys(MATRIX) as Command[]).flatMap((command) =>
    STATES.map((state) => [command, state, MATRIX[command][state]] as const),
  );

  it.each(cells)('%s while %s: %s', async (command, state, expected) => {
    const { session_id, live } = await sessionIn(state);
    if (!expected.includes(',')) {
      const before = state === 'unknown' ? [] : await project.events(session_id);
      const refusal = await order(session_id, command).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: expected });
      if (state === 'unknown') return;
      // The refusal says what would be taken, and changes nothing.
      expect(refusal).toMatchObject({
        kind: 'conflict',
        members: { turn_status: state, allowed: state === 'idle' ? ALLOWED.idle : ALLOWED.live },
      });
      expect(await project.events(session_id)).toEqual(before);
      return;
    }
    const made = await order(session_id, command);
    expect(`${await statusOf(live)}, ${await statusOf(made)}`).toBe(expected);
  });

  it.each(STATES.filter((state) => state !== 'unknown' && state !== 'idle'))(
    'B20: a session is busy while a turn of it is live (%s), and free when that has ended',
    async (state) => {
      const { session_id } = await sessionIn(state);
      await expect(project.send(session_id)).rejects.toMatchObject({ code: 'session_in_use' });
      await project.kill(session_id);
      await expect(project.send(session_id)).resolves.toEqual(expect.any(String));
    },
  );

  it('a prompt that is queued in an idle session does not wait', async () => {
    const { session_id } = await sessionIn('idle');
    const sent = await project.invoke({ session_id, prompt: 'now', on_busy: 'queue', detached: true });
    expect(sent.mode).toBe('send');
  });

  it('the runner of a turn that is to stop is told so once, and why', async () => {
    const { session_id, live } = await sessionIn('running');
    await project.cancel(session_id);
    await project.cancel(session_id);
    await project.send(session_id, { force: true });
    const told = (await project.commands()).filter(({ turn_id }) => turn_id === live);
    expect(told.map(({ type, reason }) => ({ type, reason }))).toEqual([{ type: 'cancel', reason: 'cancelled' }]);
  });
});

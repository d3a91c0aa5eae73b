import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, type HoldfastClient, type SessionTask, type SessionTaskState } from '@holdfast/client';
import { LocalRunner, type LocalMachine } from '../local/local-runner.js';
import { placeIn } from '../offsets.js';
import { oneLine, printable } from '../render/printable.js';
import { EXIT_CODES, type TurnEnd } from '../render/turn-end.js';
import { onInterrupt } from '../terminal/interrupts.js';
import { SessionScreen, type Desk, type Watch } from '../terminal/session-screen.js';
import { UsageError } from '../usage-error.js';
import { workFolder } from '../work-folder.js';
import { DETACHED } from './detach.js';
import { mintSessionId, type RunOptions } from './run.js';

const LOOK_MS = 1_000;
const MAX_NAMES = 5;
const NAME_LENGTH = 40;
const WORKING: SessionTaskState[] = ['queued', 'pending', 'claimed', 'in_progress', 'blocked'];

/** Runs a turn on this machine and shows it, and stays as long as anything of it works here. Gives the exit code. */
export async function runLocal(
  desk: Desk,
  machineOf: (session_id: string, workFolder: string) => LocalMachine,
  prompt: string,
  options: RunOptions,
): Promise<number> {
  if (!prompt.trim()) throw new UsageError('The prompt is empty. Say what the agent is to do.');
  const { queue, steer, detach } = options;
  if (queue || steer || detach) {
    throw new UsageError('A local run stays until it is over: --queue, --steer and --detach do not go with --local.');
  }
  const folder = await workFolder(options.cwd);
  if (options.agent) await desk.client.agents.fetchAgent({ name: options.agent });
  const session_id = options.session ?? mintSessionId(new Date());
  const runner = await LocalRunner.start(machineOf(session_id, folder));
  try {
    return await show(desk, runner, { session_id, folder }, prompt, options);
  } finally {
    await runner.stop();
  }
}

async function show(
  desk: Desk,
  runner: LocalRunner,
  { session_id, folder }: { session_id: string; folder: string },
  prompt: string,
  options: RunOptions,
): Promise<number> {
  const { client, cursors } = desk;
  const screen = new SessionScreen(desk);
  const past = await tailOf(client, session_id);
  const { invoked, leave } = await client.attendTurn({
    session_id,
    prompt,
    agent: options.agent ? { name: options.agent } : undefined,
    local: { private_pool: runner.privatePool },
    ...(options.fresh && { fresh_start: true }),
  });
  try {
    const { turn_id } = invoked;
    const tail = past ?? invoked.offset;
    const offset = past === undefined ? tail : (placeIn(tail, await cursors.read(session_id)) ?? tail);
    await cursors.write(session_id, offset);
    screen.note(`session ${session_id}, on this machine, private to your key; it works in ${printable(folder)}`);
    const watch = { session_id, turn_id, offset, tail, questions: [] };
    const { end, isCancelled } = await untilEnded(desk, screen, runner, watch);
    if (!end) return DETACHED;
    return (await untilAlone(desk, screen, runner, { session_id, isCancelled })) ? EXIT_CODES[end] : DETACHED;
  } finally {
    leave();
  }
}

/** No end when the user left before, or the runner is gone. Ctrl-C cancels what runs; once more leaves. */
async function untilEnded(
  desk: Desk,
  screen: SessionScreen,
  runner: LocalRunner,
  watch: Watch,
): Promise<{ end: TurnEnd | undefined; isCancelled: boolean }> {
  const { session_id, tail } = watch;
  const gone = new AbortController();
  void runner.exited.then(() => gone.abort());
  const show = async (from: Watch) => {
    const end = await screen.watch(from, gone.signal);
    if (!end && gone.signal.aborted) noteGone(screen);
    return end;
  };
  const first = await show(watch);
  if (first || gone.signal.aborted) return { end: first, isCancelled: false };
  screen.note('cancelling what runs here; Ctrl-C again leaves at once');
  await cancelAll(desk.client, session_id);
  const offset = (await desk.cursors.read(session_id)) ?? tail;
  return { end: await show({ ...watch, offset }), isCancelled: true };
}

function noteGone(screen: SessionScreen): void {
  screen.note('the runner of this machine has ended; see its runner.log');
}

/** False when they were cancelled, or the user left before. Ctrl-C cancels what runs; once more leaves. */
async function untilAlone(
  { client }: Desk,
  screen: SessionScreen,
  runner: LocalRunner,
  { session_id, isCancelled: wasCancelled }: { session_id: string; isCancelled: boolean },
): Promise<boolean> {
  let isCancelled = wasCancelled;
  let interrupt = onInterrupt();
  const gone = runner.exited.then(() => 'gone' as const);
  let told = '';
  try {
    for (;;) {
      const agents = await workingHere(client, session_id);
      if (agents.length === 0) return !isCancelled;
      const names = namesOf(agents);
      const key = isCancelled ? 'leaves at once' : 'cancels them';
      if (names !== told) screen.note(`waiting for agents on this machine: ${(told = names)}   (Ctrl-C ${key})`);
      const paused = delay(LOOK_MS, undefined, { signal: interrupt.signal }).catch(() => undefined);
      if ((await Promise.race([paused, gone])) === 'gone') {
        noteGone(screen);
        return false;
      }
      if (!interrupt.signal.aborted) continue;
      if (isCancelled) return false;
      isCancelled = true;
      screen.note('cancelling them; Ctrl-C again leaves at once');
      await cancelAll(client, session_id);
      // Until here once more ended this process; from here on the runner hands over first what still runs.
      interrupt.stop();
      interrupt = onInterrupt();
    }
  } finally {
    interrupt.stop();
  }
}

/** The live turn, and all agents below the session's. */
async function cancelAll(client: HoldfastClient, session_id: string): Promise<void> {
  const task = await taskOf(client, session_id);
  const refused = (error: unknown) => {
    // It has ended meanwhile.
    if (!(error instanceof HoldfastError)) throw error;
  };
  if (task) {
    await client.tasks.cancelSessionTasks({ SessionTaskStop: { task_id: task.task_id } }).catch(refused);
  }
  await client.invoke({ session_id }).catch(refused);
}

async function workingHere(client: HoldfastClient, session_id: string): Promise<SessionTask[]> {
  const task = await taskOf(client, session_id);
  if (!task) return [];
  const found: SessionTask[] = [];
  for (let cursor: string | undefined; ;) {
    const query = { ancestor_task_id: task.task_id, states: WORKING, cursor };
    const { data, next_cursor } = await client.tasks.querySessionTasks({ SessionTaskQuery: query });
    found.push(...data.filter(({ location }) => location === 'local'));
    if (next_cursor === null) return found;
    cursor = next_cursor;
  }
}

async function taskOf(client: HoldfastClient, session_id: string): Promise<SessionTask | undefined> {
  const { data } = await client.tasks.querySessionTasks({ SessionTaskQuery: { session_id } });
  return data[0];
}

function namesOf(agents: readonly SessionTask[]): string {
  const names = agents.slice(0, MAX_NAMES).map(({ name }) => oneLine(name, NAME_LENGTH));
  const more = agents.length - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Undefined where the session is new. */
async function tailOf(client: HoldfastClient, session_id: string): Promise<string | undefined> {
  try {
    return (await client.streams.fetchSessionStream({ session_id })).tail_offset;
  } catch (error) {
    if (error instanceof HoldfastError && error.status === 404) return undefined;
    throw error;
  }
}

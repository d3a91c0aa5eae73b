import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const INVOKE = '/v1/sessions/streams/invoke';
/** Of all sessions together: what two cores can start agents for. */
const COMMANDS_PER_SECOND = 2.5;
/** How many agents a session changes between, so that a turn seldom resumes what lies on another runner. */
export const AGENTS = 40;

const COMMANDS = {
  send: 45,
  wait: 8,
  queue: 14,
  steer: 9,
  inTurn: 5,
  cancel: 7,
  attach: 4,
  kill: 2,
  inbox: 4,
  look: 6,
};
const PROMPTS = { stream: 64, ask: 18, deaf: 5, fork: 5, crash: 4, fail: 4 };
/** Of a session whose turns are pushed to a service. */
const PUSHED_PROMPTS = { pushed: 1, pushedAsk: 2 };
export const PUSHED_AGENT = 'chaos-pushed';

/**
 * Sends one session command after the other, each at a random moment, until `until` aborts. With `isPushed` all its turns
 * are for the service.
 */
export function sessionDriver({ session_id, isPushed, sessions, dice, caller, ledger, onExists, until }) {
  let turns = 0;

  const agent = () => ({ name: isPushed ? PUSHED_AGENT : `chaos-${turns++ % AGENTS}` });

  function newPrompt() {
    const marker = `m-${randomUUID()}`;
    const kind = dice.weighted(isPushed ? PUSHED_PROMPTS : PROMPTS);
    const chunks = isPushed ? 0 : dice.between(5, 50);
    const stream = `[[stream:${chunks}:${dice.between(20, 150)}]]`;
    const text = {
      stream,
      ask: `[[ask:Go on]]${stream}`,
      deaf: `[[deaf]]${stream}`,
      fork: `[[fork]]${stream}`,
      crash: `${stream}[[crash]]`,
      fail: `${stream}[[fail:as asked]]`,
      pushed: 'work',
      // The reference service asks when it is told so first.
      pushedAsk: 'ask',
    }[kind];
    const entry = { marker, session_id, kind, chunks, answer: undefined };
    ledger.prompts.push(entry);
    return { entry, prompt: isPushed ? `${text} ${marker}` : `${marker} ${text}` };
  }

  async function prompt(more) {
    const { entry, prompt } = newPrompt();
    const body = { session_id, prompt, agent: agent(), detached: true, start_within_ms: 0, ...more };
    entry.command = more;
    entry.answer = await caller.post(INVOKE, body);
    if (entry.answer?.status < 300) onExists();
  }

  /** As a caller that stays for the events of its turn. */
  async function promptAndStay() {
    const { entry, prompt } = newPrompt();
    const seen = { session_id, marker: entry.marker, events: [] };
    ledger.waited.push(seen);
    const leaveAfter = dice.between(1, 40);
    entry.command = { detached: false };
    const answer = await caller.stream(
      INVOKE,
      { session_id, prompt, agent: agent() },
      ({ event, data }) => {
        if (event === 'data') seen.events.push(...JSON.parse(data));
        return seen.events.length < leaveAfter;
      },
      until,
    );
    // That it began to be answered says that the turn is there.
    entry.answer = answer?.status === 200 || seen.events.length ? { status: 200 } : answer;
    if (entry.answer?.status === 200) onExists();
  }

  async function command(name, body) {
    const answer = await caller.post(name === 'cancel' ? INVOKE : `/v1/sessions/streams/${name}`, body);
    ledger.commands.push({ command: name, session_id, answer, at: Date.now() });
    return answer;
  }

  async function attach() {
    let watcher_id;
    let left = dice.between(1, 10);
    const answer = await caller.stream(
      INVOKE,
      { session_id, force: true },
      ({ data }) => {
        watcher_id ??= /"watcher_id":"([0-9a-f-]{36})"/.exec(data)?.[1];
        return --left > 0;
      },
      until,
    );
    ledger.commands.push({ command: 'attach', session_id, answer });
    if (watcher_id) await command('detach', { session_id, watcher_id });
  }

  /** Turns the inbox round, or takes one out of it. */
  async function inbox() {
    const answer = await caller.post('/v1/sessions/streams/inbox/query', { session_id });
    const turn_ids = answer?.body?.data?.map(({ turn_id }) => turn_id) ?? [];
    if (!turn_ids.length) return;
    if (dice.between(0, 1)) await command('inbox/reorder', { session_id, turn_ids: turn_ids.toReversed() });
    else await command('inbox/withdraw', { session_id, turn_id: dice.oneOf(turn_ids) });
  }

  async function look() {
    const told = ledger.prompts.filter((entry) => entry.session_id === session_id && entry.answer?.body?.turn_id);
    if (!told.length) return;
    const { turn_id } = dice.oneOf(told).answer.body;
    const answer = await caller.get(`/v1/sessions/streams/turns/${turn_id}`);
    if (answer?.status === 200 && answer.body.ended_at) ledger.finals.push({ turn_id, status: answer.body.status });
    else if (answer?.status === 404) ledger.finals.push({ turn_id, status: 'not found' });
  }

  const act = {
    send: () => prompt(dice.between(0, 3) ? {} : { start_within_ms: 2_000, if_not_started: 'withdraw' }),
    wait: promptAndStay,
    queue: () => prompt({ on_busy: 'queue' }),
    steer: () => prompt({ force: true }),
    inTurn: () => prompt({ force: true, delivery: 'in_turn' }),
    cancel: () => command('cancel', { session_id, detached: true }),
    attach,
    kill: () => command('kill', { session_id }),
    inbox,
    look,
  };

  return {
    async run() {
      const meanMs = (sessions / COMMANDS_PER_SECOND) * 1_000;
      // Every session does something, however short the run.
      let next = dice.waiting(meanMs) % meanMs;
      for (let isFirst = true; ; isFirst = false) {
        await sleep(next, undefined, { signal: until }).catch(() => undefined);
        if (until.aborted) return;
        await act[isFirst ? 'send' : dice.weighted(COMMANDS)]();
        next = dice.waiting(meanMs);
      }
    },
  };
}

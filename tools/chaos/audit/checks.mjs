import { isDeepStrictEqual } from 'node:util';

const LIVE = ['inbox', 'queued', 'starting', 'running', 'stopping'];
/** Ends of a turn that its runner gives when it was itself in trouble; and what each prompt asks for. */
const TROUBLE = ['runner_lost_contact', 'runner_stopped', 'resume_state_missing', 'agent_start_timeout', 'owner_lost'];
/** The same of turns that are pushed to a service. */
const TROUBLE_OF_SERVICES = ['not_started', 'service_failed'];
const ENDS_ASKED_FOR = {
  stream: [],
  ask: [],
  deaf: [],
  fork: [],
  crash: ['agent_exited'],
  fail: ['agent_error'],
  pushed: [],
  pushedAsk: [],
};

/**
 * What must hold once all is quiet. Each check takes the facts (facts.mjs) and the ledger of what was told (ledger.mjs) and
 * gives its findings, one sentence each.
 */
export const checks = [
  {
    name: 'a prompt that was accepted is one turn, under the id that was told',
    find: ({ turns }, { prompts }) =>
      prompts
        .filter(({ answer }) => answer?.status < 300)
        .flatMap(({ marker, session_id, answer }) => {
          const own = turnsOf(turns, marker);
          const told = answer.body?.turn_id;
          if (own.length === 1 && own[0].session_id === session_id && (!told || told === own[0].turn_id)) return [];
          return [`${marker} in ${session_id}, told ${told}: ${JSON.stringify(own.map(brief))}`];
        }),
  },
  {
    name: 'a prompt that was refused left nothing, and one without an answer at most one turn',
    find: ({ turns, logs }, { prompts }) =>
      prompts.flatMap(({ marker, session_id, answer }) => {
        const own = turnsOf(turns, marker);
        if (answer?.status < 300) return [];
        if (answer?.body?.code === 'not_started') {
          const { history } = logs.get(session_id) ?? {};
          const hasStarted =
            own.length > 1 || own.some((turn) => !isNotStarted(turn, history?.turns.get(turn.turn_id)));
          return hasStarted ? [`${marker} was said not to have started: ${JSON.stringify(own.map(brief))}`] : [];
        }
        // A refusal for the state is kept under its key, a limit is not: a try before it may still have come to something.
        const mayBeOne = !answer || (answer.tries > 1 && answer.status === 429);
        if (own.length > (mayBeOne ? 1 : 0))
          return [`${marker}, answer ${JSON.stringify(answer)}: ${JSON.stringify(own.map(brief))}`];
        return [];
      }),
  },
  {
    name: 'nobody was answered with what is no answer',
    find: (_, { prompts, commands, answers }) =>
      [...prompts, ...commands, ...answers]
        .filter(({ answer }) => answer && answer.status >= 400 && !isRefusal(answer))
        .map(
          ({ command, session_id, answer }) => `${JSON.stringify(command)} in ${session_id}: ${JSON.stringify(answer)}`,
        ),
  },
  {
    name: 'an append that was acknowledged to a runner is in the log, once',
    find({ logs }, { appends }) {
      const texts = new Map();
      const textsOf = (session_id) => {
        if (!texts.has(session_id)) texts.set(session_id, countsOf(logs.get(session_id)?.events ?? []));
        return texts.get(session_id);
      };
      return appends.flatMap(({ path, epoch, seq, body }) => {
        const session_id = /^\/v1\/stream\/sessions\/([^/]+)\/events/.exec(path)?.[1];
        const found = textsOf(session_id);
        return JSON.parse(body).flatMap((event) => {
          const count = found.get(canonical(event)) ?? 0;
          return count === 1
            ? []
            : [`${session_id}, epoch ${epoch}, batch ${seq}: ${count} times ${JSON.stringify(event)}`];
        });
      });
    },
  },
  {
    name: 'what viewers were shown is the log, whole, in order and once',
    find: ({ logs }, { shown }) =>
      [...shown].flatMap(([session_id, seen]) => {
        const { events } = logs.get(session_id) ?? { events: [] };
        if (isDeepStrictEqual([...seen], events)) return [];
        const at = events.findIndex((event, index) => !isDeepStrictEqual(event, seen[index]));
        return [
          `${session_id}: shown ${seen.length} of ${events.length}, first other at ${at}: ` +
            `${JSON.stringify(seen[at])} for ${JSON.stringify(events[at])} ${seen.problem ?? ''}`,
        ];
      }),
  },
  {
    name: 'what callers were shown of their turn is what the log holds of it',
    find: ({ logs, turns }, { waited }) =>
      waited.flatMap(({ session_id, marker, events }) => {
        if (!events.length) return [];
        const [turn] = turnsOf(turns, marker);
        const own = (logs.get(session_id)?.events ?? [])
          .map(({ event }) => event)
          .filter(({ turn_id }) => turn_id === turn?.turn_id);
        const shown = events.filter(({ turn_id }) => turn_id === turn?.turn_id);
        if (turn && isDeepStrictEqual(shown, own.slice(0, shown.length))) return [];
        return [`${marker} in ${session_id}: ${JSON.stringify(events)} for ${JSON.stringify(own)}`];
      }),
  },
  {
    name: 'the log tells only what can be: one owner at a time, epochs grow, nobody writes after his turn',
    find: ({ logs }) =>
      [...logs].flatMap(([session_id, { history }]) => history.problems.map((problem) => `${session_id}: ${problem}`)),
  },
  {
    name: 'rows of turns say what the log says',
    find: ({ logs, turns, fences }) => [
      ...turns.flatMap((turn) => {
        const told = logs.get(turn.session_id)?.history.turns.get(turn.turn_id);
        const isSame = told?.status === turn.status && told.attempts.length === turn.attempt;
        return isSame
          ? []
          : [`${JSON.stringify(brief(turn))} for ${JSON.stringify({ ...told, attempts: told?.attempts.length })}`];
      }),
      ...[...logs].flatMap(([session_id, { history }]) =>
        [...history.turns.keys()]
          .filter((turn_id) => !turns.some((turn) => turn.turn_id === turn_id))
          .map((turn_id) => `${session_id}: ${turn_id} has no row`),
      ),
      ...fences.flatMap(({ session_id, epoch }) => {
        const epochs = [...(logs.get(session_id)?.history.turns.values() ?? [])].flatMap(({ attempts }) =>
          attempts.map((a) => a.epoch),
        );
        return Math.max(0, ...epochs) > epoch ? [`${session_id}: epoch ${epoch} is behind its log`] : [];
      }),
    ],
  },
  {
    name: 'every turn has ended; nobody owns, waits or holds a place',
    find: ({ turns, streams, slots }) => [
      ...turns.filter(({ status }) => LIVE.includes(status)).map((turn) => JSON.stringify(brief(turn))),
      ...streams
        .filter(
          ({ current_turn_id, owner_replica_id, lease_until }) => current_turn_id ?? owner_replica_id ?? lease_until,
        )
        .map(
          ({ session_id, current_turn_id, lease_until }) =>
            `${session_id} is owned: ${current_turn_id} until ${lease_until}`,
        ),
      ...slots.map(({ slot, session_id }) => `slot ${slot} is held by ${session_id}`),
    ],
  },
  {
    name: 'a completed turn streamed all its chunks, and no attempt left one out or said one twice',
    find: ({ logs, turns }, { prompts }) =>
      prompts.flatMap(({ marker, session_id, kind, chunks }) => {
        const [turn] = turnsOf(turns, marker);
        const merged = turn ? mergedInto(turn, turns).length : 0;
        const attempts = (turn && logs.get(session_id)?.history.turns.get(turn.turn_id)?.attempts) ?? [];
        return attempts.flatMap((attempt) => {
          const said = chunksOf(attempt.updates);
          // A prompt that was merged into the turn is streamed in it, too.
          const begun = said.filter((number) => number === 1).length;
          const isInOrder =
            said.every((number, index) => number === 1 || number === said[index - 1] + 1) && begun <= 1 + merged;
          const isAsked = attempt.end !== 'completed' || kind === 'crash' || kind === 'fail' || merged > 0;
          const isWhole = isAsked || said.length === chunks;
          return isInOrder && isWhole
            ? []
            : [`${JSON.stringify(brief(turn))} of ${chunks}, epoch ${attempt.epoch}: ${said}`];
        });
      }),
  },
  {
    name: 'turns end as their prompts and their callers asked, or say what went wrong',
    find: ({ turns }, { prompts }) =>
      prompts.flatMap(({ marker }) =>
        turnsOf(turns, marker).flatMap((turn) => {
          const asked = endsAskedOf(turn, turns, prompts);
          const text = JSON.stringify(brief(turn));
          if (turn.status === 'lost') return turn.lost_attempts >= turn.max_attempts ? [] : [text];
          if (turn.status === 'completed') return asked.length ? [text] : [];
          const trouble = turn.push_url ? TROUBLE_OF_SERVICES : TROUBLE;
          if (turn.status !== 'failed' || [...asked, ...trouble].includes(turn.error?.code)) return [];
          return [`${text}: ${JSON.stringify(turn.error)}`];
        }),
      ),
  },
  {
    name: 'a final status that was told stays',
    find: ({ turns }, { finals }) =>
      finals.flatMap(({ turn_id, status }) => {
        const turn = turns.find((candidate) => candidate.turn_id === turn_id);
        return turn?.status === status
          ? []
          : [`${turn_id} was said to be ${status}: ${JSON.stringify(turn && brief(turn))}`];
      }),
  },
  {
    name: 'a cancel or a kill that was accepted is in the log',
    find: ({ logs }, { commands }) =>
      commands.flatMap(({ command, session_id, answer }) => {
        if (!(answer?.status < 300)) return [];
        const { history } = logs.get(session_id) ?? {};
        if (command === 'kill') {
          const { turn_id, withdrawn_turn_ids } = answer.body;
          const ended = [...(turn_id ? [turn_id] : []), ...withdrawn_turn_ids];
          return ended.filter((id) => history?.turns.get(id)?.status !== 'cancelled').map((id) => `${id} was killed`);
        }
        if (command !== 'cancel') return [];
        const turn = history?.turns.get(answer.body?.turn_id);
        const isStopped =
          turn && (turn.stopReason !== undefined || !['queued', 'starting', 'running'].includes(turn.status));
        return isStopped ? [] : [`${session_id}: ${JSON.stringify(answer.body)}`];
      }),
  },
  {
    name: 'all work that turns left behind is done: jobs, transcripts',
    find: ({ outbox, lagging }) => [
      ...outbox.map(({ job, payload, attempt }) => `job ${job} ${JSON.stringify(payload)} after ${attempt} attempts`),
      ...lagging.map(({ path }) => `the transcript of ${path} is behind`),
    ],
  },
  {
    name: 'the delivery of a turn that started with nobody watching says how it ended; one that was watched has none',
    find: ({ turns, deliveries }) =>
      turns
        .filter(({ turn_index }) => turn_index !== null)
        .flatMap((turn) => {
          const delivery = deliveries.find(({ turn_id }) => turn_id === turn.turn_id);
          return delivery?.status === (turn.detached ? turn.status : undefined)
            ? []
            : [`${JSON.stringify(brief(turn))}: ${delivery?.status}`];
        }),
  },
  {
    name: 'no process ended by itself',
    find: (_, { surprises }) => surprises,
  },
  {
    name: 'no session had agents on two runners after its owner was lost',
    find: ({ logs }, { overlaps }) =>
      overlaps
        .filter(({ session_id, at }) => wasLostBefore(logs.get(session_id)?.events ?? [], at))
        .map(
          ({ session_id, runners, at }) => `${session_id} on ${runners.join(' and ')} at ${new Date(at).toISOString()}`,
        ),
  },
];

/** A runner that stopped in order leaves nothing to be lost. */
export const rollingCheck = {
  name: 'restarts in order lost no attempt and failed no turn',
  find: ({ turns }, { prompts }) =>
    turns
      .filter((turn) => {
        const isFailure = turn.status === 'failed' && !endsAskedOf(turn, turns, prompts).includes(turn.error?.code);
        return turn.lost_attempts > 0 || isFailure;
      })
      .map((turn) => `${JSON.stringify(brief(turn))}: ${JSON.stringify(turn.error)}`),
};

/** Withdrawn before anybody had it, or refused by the service that it was to be pushed to. */
function isNotStarted({ status, attempt, push_url, error }, history) {
  if (!push_url) return status === 'cancelled' && attempt === 0;
  const hasRun = history?.attempts.some((one) => one.hasRun);
  return !hasRun && (status === 'cancelled' || error?.code === 'not_started');
}

const turnsOf = (turns, marker) => turns.filter(({ prompt }) => prompt.includes(marker));

/** Prompts that the agent of this turn took besides its own. */
const mergedInto = ({ turn_id }, turns) =>
  turns.filter(({ status, in_turn_of }) => status === 'merged' && in_turn_of === turn_id);

/** Codes of the errors that a turn's own prompt, and those that were merged into it, ask for. */
const endsAskedOf = (turn, turns, prompts) =>
  [turn, ...mergedInto(turn, turns)].flatMap(
    ({ prompt }) => ENDS_ASKED_FOR[prompts.find(({ marker }) => prompt.includes(marker)).kind],
  );

const brief = ({ session_id, turn_id, status, attempt, lost_attempts, epoch, stop_reason }) => ({
  session_id,
  turn_id,
  status,
  attempt,
  lost_attempts,
  epoch,
  stop_reason,
});

/** Refusals that are part of the contract: a wrong command for a state, a limit. */
const isRefusal = ({ status, body }) => [404, 409, 429].includes(status) || body?.code === 'not_started';

/** How often each event stands in a log, by its text. */
function countsOf(events) {
  const counts = new Map();
  for (const { event } of events) counts.set(canonical(event), (counts.get(canonical(event)) ?? 0) + 1);
  return counts;
}

const canonical = ({ type, at, turn_id, data }) => JSON.stringify([type, at, turn_id, data]);

const chunksOf = (updates) =>
  updates
    .filter(({ sessionUpdate }) => sessionUpdate === 'agent_message_chunk')
    .flatMap(({ content }) => (content.text.match(/chunk \d+/g) ?? []).map((chunk) => Number(chunk.slice(6))));

/** Whether the last thing that befell the owner before this moment was to be lost. */
function wasLostBefore(events, at) {
  const ends = events.filter(({ event }) =>
    /^turn\.(attempt_lost|handed_over|stopping)$|^session\.killed$/.test(event.type),
  );
  return ends.findLast(({ event }) => Date.parse(event.at) < at)?.event.type === 'turn.attempt_lost';
}

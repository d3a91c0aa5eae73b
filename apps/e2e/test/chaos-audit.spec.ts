import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { replayTurns, type LoggedEvent } from '@holdfast/testing';

/** Facts and what was told, as tools/chaos gathers them. */
type Facts = ReturnType<typeof truth>['facts'];
type Ledger = ReturnType<typeof truth>['ledger'];
interface Check {
  name: string;
  find(facts: Facts, ledger: Ledger): string[];
}

const APPEND_AT = '2026-01-01T00:00:00.000Z';

/** One session, one prompt, one completed turn with two chunks and a question between; everybody was told the truth. */
function truth() {
  const said = (number: number): LoggedEvent & { at: string } => ({
    type: 'agent.update',
    at: APPEND_AT,
    turn_id: 't',
    data: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `chunk ${number} ` } },
  });
  const asked = { interaction_id: 'q', request: { tool_call: { toolCallId: 'c' } } };
  const update = (data: object): LoggedEvent & { at: string } => ({
    type: 'agent.update',
    at: APPEND_AT,
    turn_id: 't',
    data,
  });
  const log: LoggedEvent[] = [
    { type: 'turn.queued', turn_id: 't', data: {} },
    { type: 'turn.starting', turn_id: 't', data: { attempt: 1, epoch: 1, replica_id: 'r' } },
    said(1),
    { type: 'interaction.requested', turn_id: 't', data: asked },
    { type: 'interaction.responded', turn_id: 't', data: { interaction_id: 'q', verdict: { decision: 'allow' } } },
    update({ sessionUpdate: 'tool_call_update', toolCallId: 'c', status: 'completed' }),
    { type: 'interaction.resolved', turn_id: 't', data: { interaction_id: 'q' } },
    said(2),
    { type: 'turn.completed', turn_id: 't', data: {} },
  ];
  const events = log.map((event, index) => ({ offset: String(index + 1), event }));
  const turn = {
    session_id: 's',
    turn_id: 't',
    turn_index: 0 as number | null,
    detached: true,
    status: 'completed',
    prompt: 'marker [[stream:2:1]]',
    attempt: 1,
    lost_attempts: 0,
    max_attempts: 3,
    epoch: 1,
    in_turn_of: null,
    stop_reason: null,
    error: null as { code: string } | null,
    push_url: null as string | null,
  };
  const accepted = { status: 202, body: { turn_id: 't' } as Record<string, unknown>, tries: 1 };
  return {
    facts: {
      turns: [turn],
      streams: [{ session_id: 's', current_turn_id: null as string | null, owner_replica_id: null, lease_until: null }],
      slots: [] as { slot: number; session_id: string }[],
      fences: [{ session_id: 's', epoch: 1 }],
      outbox: [] as object[],
      deliveries: [{ turn_id: 't', status: 'completed' }],
      interactions: [{ id: 'q', session_id: 's', status: 'resolved', verdict: { decision: 'allow' } as object | null }],
      lagging: [] as { path: string }[],
      logs: new Map([['s', { events, history: replayTurns(log) }]]),
    },
    ledger: {
      answers: [{ command: 'answer', interaction_id: 'q', session_id: 's', decision: 'allow', answer: accepted }],
      prompts: [{ marker: 'marker', session_id: 's', kind: 'stream', chunks: 2, answer: accepted }],
      commands: [{ command: 'cancel', session_id: 's', answer: accepted }],
      shown: new Map([['s', [...events]]]),
      waited: [{ session_id: 's', marker: 'marker', events: log.slice(0, 3) }],
      appends: [{ path: '/v1/stream/sessions/s/events', epoch: 1, seq: 0, body: JSON.stringify([said(1)]) }],
      finals: [{ turn_id: 't', status: 'completed' }],
      surprises: [] as string[],
      overlaps: [] as object[],
    },
  };
}

/** Writes the log anew, and what follows from it. */
function rewrite(facts: Facts, change: (log: LoggedEvent[]) => LoggedEvent[]): void {
  const log = change(facts.logs.get('s')!.events.map(({ event }) => event));
  const events = log.map((event, index) => ({ offset: String(index + 1), event }));
  facts.logs.set('s', { events, history: replayTurns(log) });
}

describe('the audit of npm run chaos', () => {
  let checks: Check[];
  beforeAll(async () => {
    const audit = (file: string) =>
      import(pathToFileURL(path.resolve(__dirname, '../../../tools/chaos/audit', file)).href) as Promise<
        Record<string, Check[]>
      >;
    const [ofTurns, ofQuestions] = await Promise.all([audit('checks.mjs'), audit('questions.mjs')]);
    checks = [...ofTurns['checks']!, ...ofQuestions['questionChecks']!];
  });
  const found = ({ facts, ledger }: ReturnType<typeof truth>) =>
    checks.filter(({ find }) => find(facts, ledger).length > 0).map(({ name }) => name);

  it('finds nothing where everybody was told the truth', () => {
    expect(found(truth())).toEqual([]);
  });

  it.each<[string, RegExp, (told: ReturnType<typeof truth>) => void]>([
    [
      'a turn under another id',
      /under the id that was told/,
      ({ ledger }) => (ledger.prompts[0]!.answer.body = { turn_id: 'u' }),
    ],
    [
      'a prompt that is two turns',
      /is one turn/,
      ({ facts }) => facts.turns.push({ ...facts.turns[0]!, turn_id: 'u' }),
    ],
    [
      'a prompt that was refused and ran',
      /refused left nothing/,
      ({ ledger }) => (ledger.prompts[0]!.answer = { status: 409, body: {}, tries: 1 }),
    ],
    [
      'a turn that had not started and ran',
      /refused left nothing/,
      ({ ledger }) => (ledger.prompts[0]!.answer = { status: 503, body: { code: 'not_started' }, tries: 1 }),
    ],
    [
      'an answer that is none',
      /what is no answer/,
      ({ ledger }) => (ledger.commands[0]!.answer = { status: 500, body: {}, tries: 1 }),
    ],
    [
      'an acknowledged event that is lost',
      /acknowledged to a runner/,
      ({ facts }) => rewrite(facts, (log) => log.filter((_, index) => index !== 2)),
    ],
    [
      'an acknowledged event that is doubled',
      /acknowledged to a runner/,
      ({ facts }) => rewrite(facts, (log) => log.toSpliced(2, 0, log[2]!)),
    ],
    ['a viewer who missed an event', /viewers were shown/, ({ ledger }) => ledger.shown.get('s')!.splice(2, 1)],
    ['a caller who was shown something else', /callers were shown/, ({ ledger }) => ledger.waited[0]!.events.reverse()],
    [
      'an owner that wrote after its end',
      /tells only what can be/,
      ({ facts }) => rewrite(facts, (log) => [...log, { ...log[2]!, data: {} }]),
    ],
    ['a row that says something else', /rows of turns/, ({ facts }) => (facts.turns[0]!.status = 'failed')],
    ['an epoch that went back', /rows of turns/, ({ facts }) => (facts.fences[0]!.epoch = 0)],
    [
      'a session that is owned for ever',
      /every turn has ended/,
      ({ facts }) => (facts.streams[0]!.current_turn_id = 't'),
    ],
    [
      'a place that is held for ever',
      /every turn has ended/,
      ({ facts }) => facts.slots.push({ slot: 1, session_id: 's' }),
    ],
    ['a completed turn that lacks a chunk', /streamed all its chunks/, ({ ledger }) => (ledger.prompts[0]!.chunks = 3)],
    [
      'a turn that failed of nothing that was asked',
      /end as their prompts/,
      ({ facts }) => {
        Object.assign(facts.turns[0]!, { status: 'failed', error: { code: 'agent_exited' } });
      },
    ],
    ['a final status that changed', /final status/, ({ ledger }) => (ledger.finals[0]!.status = 'failed')],
    ['a cancel that did nothing', /cancel or a kill/, ({ facts }) => rewrite(facts, (log) => log.slice(0, 4))],
    ['a job that is left', /work that turns left behind/, ({ facts }) => facts.outbox.push({ job: 'x' })],
    [
      'a delivery that is open for ever',
      /the delivery of a turn/,
      ({ facts }) => (facts.deliveries[0]!.status = 'dispatched'),
    ],
    [
      'a delivery of a turn that was watched',
      /the delivery of a turn/,
      ({ facts }) => (facts.turns[0]!.detached = false),
    ],
    [
      'a pushed turn that had not started and ran',
      /refused left nothing/,
      ({ facts, ledger }) => {
        Object.assign(facts.turns[0]!, {
          push_url: 'http://service/',
          status: 'failed',
          error: { code: 'not_started' },
        });
        ledger.prompts[0]!.answer = { status: 503, body: { code: 'not_started' }, tries: 1 };
        facts.logs.get('s')!.history.turns.get('t')!.attempts[0]!.hasRun = true;
      },
    ],
    [
      'an answer that was accepted and is another one',
      /answer that was accepted/,
      ({ ledger }) => (ledger.answers[0]!.decision = 'deny'),
    ],
    [
      'two answers that were accepted',
      /answer that was accepted/,
      ({ ledger }) => ledger.answers.push({ ...ledger.answers[0]! }),
    ],
    [
      'an answer that is not in the log',
      /answer that was accepted/,
      ({ facts }) => rewrite(facts, (log) => log.filter(({ type }) => type !== 'interaction.responded')),
    ],
    [
      'an agent that acts on what nobody answered',
      /acts on its own answers/,
      ({ facts }) => rewrite(facts, (log) => log.toSpliced(4, 1)),
    ],
    [
      'an agent that acts on another answer',
      /acts on its own answers/,
      ({ facts }) =>
        rewrite(facts, (log) =>
          log.map((event) =>
            event.type === 'interaction.responded'
              ? { ...event, data: { interaction_id: 'q', verdict: { decision: 'deny' } } }
              : event,
          ),
        ),
    ],
    [
      'an answer that reached two attempts',
      /acts on its own answers/,
      ({ facts }) =>
        rewrite(facts, (log) => [
          ...log.slice(0, 6),
          { type: 'turn.attempt_lost', turn_id: 't', data: { attempt: 1, epoch: 1, requeued: true } },
          { type: 'turn.starting', turn_id: 't', data: { attempt: 2, epoch: 2, replica_id: 'u' } },
          log[5]!,
          log.at(-1)!,
        ]),
    ],
    [
      'an answer to an attempt that is over',
      /while its attempt lasts/,
      ({ facts }) => rewrite(facts, (log) => [...log.slice(0, 4), log.at(-1)!, log[4]!]),
    ],
    [
      'an answer that never reached its agent',
      /reached the agent/,
      ({ facts }) => rewrite(facts, (log) => log.toSpliced(5, 2)),
    ],
    [
      'a question that waits for ever',
      /no question waits/,
      ({ facts }) => Object.assign(facts.interactions[0]!, { status: 'pending', verdict: null }),
    ],
    ['a question without a row', /no question waits/, ({ facts }) => facts.interactions.pop()],
    ['a process that died', /ended by itself/, ({ ledger }) => ledger.surprises.push('api-1 ended by itself')],
    [
      'agents of one session on two runners',
      /on two runners/,
      ({ facts, ledger }) => {
        const lost = { type: 'turn.attempt_lost', at: APPEND_AT, turn_id: 't', data: {} };
        rewrite(facts, (log) => [...log, lost]);
        ledger.overlaps.push({ session_id: 's', runners: ['a', 'b'], at: Date.parse(APPEND_AT) + 1 });
      },
    ],
  ])('finds %s', (_, name, lie) => {
    const told = truth();
    lie(told);
    expect(found(told)).toContainEqual(expect.stringMatching(name));
  });
});

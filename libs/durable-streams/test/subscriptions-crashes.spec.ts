import fc from 'fast-check';
import type { LogKey, SubscriptionClaim } from '../src/index.js';
import {
  allOf,
  fail,
  project,
  sayDone,
  sayNothing,
  startProcess,
  startReceiver,
  stream,
  type Process,
  type ReceivedCall,
  type Receiver,
  type WakeCall,
} from './subscriptions-fixture.js';

type Subscribed = Awaited<ReturnType<Process['subscribe']>>;

/** One thing that happens. Workers die between any two of their transactions, or in one. */
type Happening =
  | { kind: 'append' | 'make' | 'delete'; log: number; messages: number }
  | { kind: 'work' }
  | { kind: 'die'; transactions: number; isLastCommitted: boolean }
  | { kind: 'wait' }
  | { kind: 'receiver'; answers: 'done' | 'nothing' | 'fail' | 'callback' | 'partly' }
  | { kind: 'claim'; then: 'die' | 'finish' | 'partly' | 'release' };

const LOGS = 3;
const log = fc.nat(LOGS - 1);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('append' as const), log, messages: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('make' as const, 'delete' as const), log, messages: fc.nat(2) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('work' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('die' as const),
      transactions: fc.oneof(fc.nat(2), fc.nat(8)),
      isLastCommitted: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('receiver' as const),
      answers: fc.constantFrom(
        'done' as const,
        'nothing' as const,
        'fail' as const,
        'callback' as const,
        'partly' as const,
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('claim' as const),
      then: fc.constantFrom('die' as const, 'finish' as const, 'partly' as const, 'release' as const),
    }),
  },
);

describe('subscriptions, when workers are killed anywhere', () => {
  let api: Process;
  let worker: Process;
  let receiver: Receiver;
  beforeAll(async () => {
    api = await startProcess();
    worker = await startProcess(api);
    receiver = await startReceiver();
  });
  afterAll(async () => {
    await receiver.stop();
    await worker.stop();
    await api.stop();
  });

  /** Acknowledges the first message of each stream that has any. */
  const partOf = (wake: Pick<WakeCall, 'wake_id' | 'generation' | 'streams'>) => ({
    wake_id: wake.wake_id,
    generation: wake.generation,
    acks: wake.streams
      .filter(({ has_pending }) => has_pending)
      .map(({ path, acked_offset }) => ({ stream: path, offset: next(acked_offset) })),
  });

  function next(offset: string): string {
    const [generation, position] = offset.split('_') as [string, string];
    return `${generation}_${String(Number(position) + 1).padStart(16, '0')}`;
  }

  const answers = {
    done: sayDone,
    nothing: sayNothing,
    fail,
    callback: async ({ body }: ReceivedCall, response: Parameters<typeof sayDone>[1]) => {
      await api.wakes.ack(body.subscription_id, body.callback_token, 'webhook', { ...allOf(body), done: true });
      response.end('{}');
    },
    partly: async ({ body }: ReceivedCall, response: Parameters<typeof sayDone>[1]) => {
      await api.wakes.ack(body.subscription_id, body.callback_token, 'webhook', { ...partOf(body), done: true });
      response.end('{}');
    },
  };

  const ack = (key: Subscribed, claim: SubscriptionClaim, report: object) =>
    api.wakes.ack(key.subscription_id, claim.token, 'pull-wake', report as never);

  async function happens(
    one: Happening,
    pull: Subscribed,
    keyOf: (n: number) => LogKey,
    told: WakeCall[],
  ): Promise<void> {
    switch (one.kind) {
      case 'append':
        // The log may be gone.
        return api
          .append(keyOf(one.log), ...Array.from({ length: one.messages }, (_, n) => ({ n })))
          .catch(() => undefined);
      case 'make':
        return api
          .make(keyOf(one.log), { body: Buffer.from(JSON.stringify(Array.from({ length: one.messages }))) })
          .catch(() => undefined);
      case 'delete':
        return api.lifecycle.delete(keyOf(one.log)).catch(() => undefined);
      case 'work':
        return worker.round();
      case 'die':
        worker.unitOfWork.dieAfter(one.transactions, one.isLastCommitted);
        await worker.round().catch(() => undefined);
        await worker.deliveries.settled();
        return worker.unitOfWork.dieAfter(Infinity, false);
      case 'wait':
        return api.letTimePass();
      case 'receiver':
        receiver.answer = answers[one.answers];
        return;
      case 'claim': {
        const claim = await api.wakes.claim(pull, 'worker').catch(() => undefined);
        if (!claim) return;
        told.push({ ...claim, subscription_id: pull.subscription_id, callback_url: '', callback_token: '' });
        if (one.then === 'finish') await ack(pull, claim, { ...allOf(claim), done: true });
        if (one.then === 'partly') await ack(pull, claim, partOf(claim));
        if (one.then === 'release') await api.wakes.release(pull.subscription_id, claim.token, claim);
      }
    }
  }

  it.each([true, false])(
    'tell of everything, at whichever transaction one died (committed: %s) (S1)',
    async (committed) => {
      for (let transactions = 0; transactions < 8; transactions++) {
        await api.clear();
        receiver.calls.length = 0;
        receiver.answer = sayDone;
        const project_id = project();
        const hook = await api.subscribe(project_id, { webhook: { url: receiver.url } });
        const pull = await api.subscribe(project_id);
        await api.make(stream(project_id, 'events/a'), { body: Buffer.from('[1,2]') });
        await happens(
          { kind: 'die', transactions, isLastCommitted: committed },
          pull,
          () => stream(project_id, ''),
          [],
        );

        for (const kind of ['wait', 'work', 'wait', 'work'] as const) {
          await happens({ kind }, pull, () => stream(project_id, ''), []);
        }
        expect(await api.acked(hook)).toEqual({ 'events/a': 2 });
        expect(await api.read(pull.wake_stream)).not.toEqual([]);
        expect((await api.wakes.claim(pull, 'worker')).streams[0]).toMatchObject({
          path: 'events/a',
          has_pending: true,
        });
      }
    },
  );

  it('lose no message, whose streams go on and whose acknowledgements never go back (S1, S2, S4)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { minLength: 5, maxLength: 25 }), async (happenings) => {
        await api.clear();
        receiver.calls.length = 0;
        receiver.answer = sayDone;
        const project_id = project();
        const keyOf = (n: number) => stream(project_id, `events/${n}`);
        const hook = await api.subscribe(project_id, { webhook: { url: receiver.url } });
        const pull = await api.subscribe(project_id);
        for (let n = 0; n < LOGS; n++) await api.make(keyOf(n));

        const claims: WakeCall[] = [];
        let before = await places(project_id);
        const step = async (one: Happening) => {
          await happens(one, pull, keyOf, claims);
          const after = await places(project_id);
          for (const [place, { acked, tail }] of Object.entries(after)) {
            expect(acked).toBeGreaterThanOrEqual(before[place]?.acked ?? 0);
            expect(acked).toBeLessThanOrEqual(tail);
          }
          before = after;
        };
        for (const one of happenings) await step(one);

        // Whatever has happened: with a receiver and a worker that do their work, all of it gets done.
        receiver.answer = sayDone;
        for (let round = 0; round < 4; round++) {
          for (const kind of ['wait', 'work', 'work'] as const) await step({ kind });
          await step({ kind: 'claim', then: 'finish' });
        }
        for (const { acked, tail } of Object.values(before)) expect(acked).toBe(tail);
        for (const key of [hook, pull]) expect(await api.row(key)).toMatchObject({ phase: 'idle', due_at: null });

        const calls = receiver.calls.map(({ body }) => body);
        for (const [key, told] of [
          [hook, calls],
          [pull, claims],
        ] as const) {
          expect(new Set(told.map(({ wake_id }) => wake_id)).size).toBe(
            new Set(told.map(({ generation }) => generation)).size,
          );
          expect(told.map(({ generation }) => generation)).toEqual(
            told.map(({ generation }) => generation).sort((one, two) => one - two),
          );
          for (const [place, { tail }] of Object.entries(before)) {
            const [subscription_id, path, generation] = place.split(' ') as [string, string, string];
            if (subscription_id !== key.subscription_id) continue;
            expect(heardOf(told, path, generation)).toEqual(Array.from({ length: tail }, (_, position) => position));
          }
        }
      }),
      { numRuns: 30 },
    );
  }, 120_000);

  /** Positions of a stream that workers were told of. */
  function heardOf(told: WakeCall[], path: string, generation: string): number[] {
    const positions = new Set<number>();
    for (const { streams } of told) {
      for (const one of streams) {
        const [of, acked] = one.acked_offset.split('_').map(Number) as [number, number];
        if (one.path !== path || of !== Number(generation)) continue;
        for (let position = acked; position < Number(one.tail_offset.split('_')[1]); position++)
          positions.add(position);
      }
    }
    return [...positions].sort((one, two) => one - two);
  }

  /** Where each subscription is in each stream, by subscription, path and generation. */
  async function places(project_id: string): Promise<Record<string, { acked: number; tail: number }>> {
    const rows = await api.unitOfWork.query<{ place: string; acked: number; tail: number }>(
      `SELECT concat_ws(' ', b.id, l.path, s.generation) AS place, l.acked, s.tail FROM log_subscription_links l
         JOIN log_subscriptions b ON b.project_id = l.project_id AND b.number = l.subscription
         JOIN log_streams s ON s.project_id = l.project_id AND s.id = l.log_id
        WHERE l.project_id = $1`,
      [project_id],
    );
    return Object.fromEntries(rows.map(({ place, acked, tail }) => [place, { acked, tail }]));
  }
});

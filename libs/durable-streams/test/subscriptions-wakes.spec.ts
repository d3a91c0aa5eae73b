import { eventually } from '@holdfast/testing';
import { formatOffset, WAKES_CHANNEL, type SubscriptionClaim } from '../src/index.js';
import { allOf, pending, project, startProcess, stream, type Process } from './subscriptions-fixture.js';

type Key = Awaited<ReturnType<Process['subscribe']>>;

const FENCED = { code: 'wake_fenced', members: { error: { code: 'FENCED' } } };
const REFUSED = { code: 'ack_refused', members: { error: { code: 'INVALID_OFFSET' } } };

describe('the wakes of a pull-wake subscription', () => {
  let api: Process;
  let other: Process;
  beforeAll(async () => {
    api = await startProcess();
    other = await startProcess(api);
  });
  afterEach(() => api.clear());
  afterAll(async () => {
    await other.stop();
    await api.stop();
  });

  /** A subscription with one stream of three messages that nobody was told of. */
  async function subscribed(): Promise<Key> {
    const key = await api.subscribe(project());
    await api.make(stream(key.project_id, 'events/a'), { body: Buffer.from('[1,2,3]') });
    return key;
  }

  const claim = (key: Key, worker = 'worker') => api.wakes.claim(key, worker);
  const ack = (key: Key, { token, ...report }: SubscriptionClaim & { acks?: object[]; done?: boolean }) =>
    api.wakes.ack(key.subscription_id, token, 'pull-wake', report as never);
  const events = (key: Key) => api.read(key.wake_stream);
  const at = async (key: Key, position: number, path = 'events/a') => {
    const { log, generation } = (await api.unitOfWork.queryOne<{ log: number; generation: number }>(
      `SELECT id AS log, generation FROM log_streams WHERE project_id = $1 AND path = $2`,
      [key.project_id, path],
    ))!;
    expect(log).toBeGreaterThan(0);
    return [{ stream: path, offset: formatOffset({ generation, position }) }];
  };

  describe('are announced', () => {
    it('in the wake stream, with the generation to be claimed', async () => {
      const key = await subscribed();
      await api.round();
      expect(await events(key)).toEqual([
        {
          type: 'wake',
          subscription_id: key.subscription_id,
          stream: 'events/a',
          generation: 1,
          ts: expect.any(Number) as number,
        },
      ]);
      expect((await claim(key)).generation).toBe(1);
    });

    it('once in an idle period, however much is appended and however many look (S3)', async () => {
      const key = await subscribed();
      await Promise.all([
        ...Array.from({ length: 10 }, () => api.append(stream(key.project_id, 'events/a'))),
        ...Array.from({ length: 6 }, (_, n) => (n % 2 ? api : other).round()),
      ]);
      await Promise.all([api.round(), other.round()]);
      expect(await events(key)).toMatchObject([{ generation: 1 }]);
      const claimed = await claim(key);
      await api.append(stream(key.project_id, 'events/a'));
      await api.round();
      expect(await events(key)).toHaveLength(1);
      // What came after the claim is told of once the worker is done with what it was told.
      expect(await ack(key, { ...claimed, ...allOf(claimed), done: true })).toEqual({ next_wake: true });
      await Promise.all([api.round(), other.round()]);
      expect(await events(key)).toMatchObject([{ generation: 1 }, { generation: 2 }]);
    });

    it('also for what is appended while the end of a wake looks for more (S1)', async () => {
      const key = await subscribed();
      let release!: () => void;
      const ends = new Promise<void>((resolve) => (release = resolve));
      let holds!: () => void;
      const holding = new Promise<void>((resolve) => (holds = resolve));
      const ending = other.unitOfWork.run(async (tx) => {
        await tx.query(`SELECT FROM log_subscriptions WHERE id = $1 FOR NO KEY UPDATE`, [key.subscription_id]);
        holds();
        await ends;
      });
      await holding;
      // The subscription is busy with something else now; the log must not be forgotten.
      await api.round();
      release();
      await ending;
      await api.round();
      expect(await events(key)).toMatchObject([{ generation: 1 }]);
    });

    it('also for what is appended between the wake and the removal of its mark (S1)', async () => {
      const key = await subscribed();
      const query = other.unitOfWork.query.bind(other.unitOfWork);
      const spy = jest.spyOn(other.unitOfWork, 'query').mockImplementation(async (text, values) => {
        if (text.includes('SET wake_due = false')) {
          const claimed = await claim(key);
          await ack(key, { ...claimed, ...allOf(claimed), done: true });
          await api.append(stream(key.project_id, 'events/a'));
        }
        return query(text, values);
      });
      await other.waker.run(new AbortController().signal);
      spy.mockRestore();
      expect(await api.row(key)).toMatchObject({ phase: 'idle', generation: 1 });
      await api.round();
      expect(await events(key)).toMatchObject([{ generation: 2 }]);
    });

    it('to each subscription of a stream, those of other projects not among them (S3)', async () => {
      const one = await subscribed();
      const two = await api.subscribe(one.project_id, { pattern: '**' });
      const foreign = await api.subscribe(project());
      await api.round();
      await api.append(stream(one.project_id, 'events/a'));
      await api.round();
      expect(await events(one)).toHaveLength(1);
      expect(pending(await claim(two))).toContain('events/a');
      expect(await events(foreign)).toEqual([]);
    });

    it('again when nobody claims: whoever read the event may have died (S1)', async () => {
      const key = await subscribed();
      await api.round();
      expect((await api.row(key)).due_in_ms).toBeGreaterThan(20_000);
      await api.letTimePass();
      await api.round();
      expect(await events(key)).toMatchObject([{ generation: 1 }, { generation: 1 }]);
      expect((await api.row(key)).due_in_ms).toBeGreaterThan(50_000);
    });

    it.each<[string, (key: Key) => Promise<void>, string]>([
      ['is gone', (key) => api.lifecycle.delete(key.wake_stream), 'there is no stream'],
      [
        'is closed',
        async (key) => void (await api.log.append({ ...key.wake_stream, messages: [], close: true })),
        'is closed',
      ],
    ])('as soon as that is possible when the wake stream %s (S1)', async (_, spoil, reason) => {
      const key = await subscribed();
      await spoil(key);
      await api.round();
      const { subscription } = await api.subscriptions.fetch(key);
      expect(subscription).toMatchObject({ status: 'failed', last_error: expect.stringContaining(reason) as string });
      expect(subscription.next_attempt_at).not.toBeNull();
      // A worker that asks by itself is served all the same.
      await api.lifecycle.delete(key.wake_stream).catch(() => undefined);
      await api.make(key.wake_stream);
      await api.letTimePass();
      await api.round();
      expect(await events(key)).toMatchObject([{ generation: 1 }]);
      expect((await api.subscriptions.fetch(key)).subscription).toMatchObject({ status: 'active', last_error: null });
    });

    it('not where the wake stream holds bytes, and the claim works without (S1)', async () => {
      const key = await subscribed();
      await api.lifecycle.delete(key.wake_stream);
      await api.make(key.wake_stream, { content_type: 'text/plain' });
      await api.round();
      expect((await api.row(key)).last_error).toContain('does not hold JSON');
      expect(pending(await claim(key))).toEqual(['events/a']);
    });

    it('by a signal after the commit, so that workers need not wait to look', async () => {
      const key = await subscribed();
      const claimed = await claim(key);
      let signals = 0;
      const unsubscribe = await other.signals.subscribe(WAKES_CHANNEL, () => (signals += 1));
      await api.append(stream(key.project_id, 'events/a'));
      await eventually(() => expect(signals).toBeGreaterThan(0));
      const before = signals;
      await ack(key, { ...claimed, ...allOf(claimed), done: true });
      await eventually(() => expect(signals).toBeGreaterThan(before));
      await unsubscribe();
    });

    it.each([
      ['its pattern', { pattern: 'events/*' }],
      ['its name', { pattern: undefined, streams: ['events/a'] }],
    ])('by a signal of a process too that wrote to the stream before it was linked by %s', async (_, create) => {
      const project_id = project();
      await api.make(stream(project_id, 'events/a'));
      await other.append(stream(project_id, 'events/a'));
      await api.subscribe(project_id, create);
      let signals = 0;
      const unsubscribe = await api.signals.subscribe(WAKES_CHANNEL, () => (signals += 1));
      await other.append(stream(project_id, 'events/a'));
      await eventually(() => expect(signals).toBeGreaterThan(0));
      await unsubscribe();
    });

    it('not at all when the stream is deleted first', async () => {
      const key = await subscribed();
      await api.waker.run(new AbortController().signal);
      expect((await api.row(key)).phase).toBe('waking');
      await api.lifecycle.delete(stream(key.project_id, 'events/a'));
      await api.round();
      expect(await events(key)).toEqual([]);
      expect(await api.row(key)).toMatchObject({ phase: 'idle', generation: 1, due_at: null });
    });
  });

  describe('are claimed', () => {
    it('by one worker of many, in two processes (S6)', async () => {
      const key = await subscribed();
      await api.round();
      const claims = await Promise.allSettled(
        Array.from({ length: 10 }, (_, n) => (n % 2 ? api : other).wakes.claim(key, `worker-${n}`)),
      );
      const won = claims.flatMap((result, n) => (result.status === 'fulfilled' ? [n] : []));
      expect(won).toHaveLength(1);
      for (const result of claims) {
        if (result.status === 'rejected') {
          expect(result.reason).toMatchObject({
            code: 'wake_already_claimed',
            members: { error: { code: 'ALREADY_CLAIMED', current_holder: `worker-${won[0]}`, generation: 1 } },
          });
        }
      }
    });

    it('before a worker was told, when there is work; and told of all streams, those with work first', async () => {
      const key = await subscribed();
      await api.make(stream(key.project_id, 'events/0'));
      const claimed = await claim(key);
      expect(claimed).toMatchObject({ generation: 1, lease_ttl_ms: 30_000 });
      const [{ offset: start }, { offset: end }] = [(await at(key, 0))[0]!, (await at(key, 3))[0]!];
      expect(claimed.streams).toEqual([
        { path: 'events/a', link_type: 'glob', acked_offset: start, tail_offset: end, has_pending: true },
        expect.objectContaining({ path: 'events/0', has_pending: false }),
      ]);
    });

    it('not when there is no work', async () => {
      const key = await api.subscribe(project());
      await api.make(stream(key.project_id, 'events/a'));
      const nothing = { code: 'no_pending_work', members: { error: { code: 'NO_PENDING_WORK' } } };
      await expect(claim(key)).rejects.toMatchObject(nothing);
      expect((await api.row(key)).generation).toBe(0);
    });

    it('not for a webhook, whose wakes are sent', async () => {
      const key = await api.subscribe(project(), { webhook: { url: 'https://hooks.example' } });
      await expect(claim(key)).rejects.toMatchObject({ code: 'subscription_invalid' });
    });

    it('by the next worker once the lease has run out, before any process noticed (S6)', async () => {
      const key = await subscribed();
      const late = await claim(key, 'late');
      await api.letTimePass();
      const next = await claim(key, 'next');
      expect(next.generation).toBe(late.generation + 1);
      await expect(ack(key, { ...late, ...allOf(late), done: true })).rejects.toMatchObject(FENCED);
      await expect(api.wakes.release(key.subscription_id, late.token, late)).rejects.toMatchObject(FENCED);
      expect(await api.acked(key)).toEqual({ 'events/a': 0 });
    });

    it('anew after the lease has run out, with another event (S1, S6)', async () => {
      const key = await subscribed();
      await api.round();
      const late = await claim(key);
      await api.letTimePass();
      await api.round();
      expect(await api.row(key)).toMatchObject({ phase: 'waking', generation: 2, holder: null });
      await api.round();
      expect(await events(key)).toMatchObject([{ generation: 1 }, { generation: 2 }]);
      await expect(ack(key, { ...late, ...allOf(late) })).rejects.toMatchObject(FENCED);
    });

    it('as many streams at a time as one answer holds; the rest with the next wake', async () => {
      const key = await api.subscribe(project(), { pattern: 'many/*' });
      await api.unitOfWork.run(async (tx) => {
        await tx.query(
          `INSERT INTO log_streams (project_id, path, generation, content_type, tail, subscribed, wake_due)
           SELECT $1, 'many/' || n, 1, 'application/json', 1, true, true FROM generate_series(1, 1050) n`,
          [key.project_id],
        );
        await tx.query(
          `INSERT INTO log_subscription_links (project_id, subscription, path, log_id, explicit, glob)
           SELECT s.project_id, b.number, s.path, s.id, false, true FROM log_streams s, log_subscriptions b
            WHERE s.project_id = $1 AND s.path LIKE 'many/%' AND b.project_id = $1`,
          [key.project_id],
        );
      });
      const first = await claim(key);
      expect(pending(first)).toHaveLength(1_000);
      expect(await ack(key, { ...first, ...allOf(first), done: true })).toEqual({ next_wake: true });
      const second = await claim(key);
      expect(pending(second)).toHaveLength(50);
      expect(await ack(key, { ...second, ...allOf(second), done: true })).toEqual({ next_wake: false });
    });
  });

  describe('are worked for', () => {
    it('under a lease that every acknowledgement begins anew (S6)', async () => {
      const key = await subscribed();
      const claimed = await claim(key);
      await api.unitOfWork.query(`UPDATE log_subscriptions SET due_at = now() + interval '1 second' WHERE id = $1`, [
        key.subscription_id,
      ]);
      expect(await ack(key, { ...claimed, acks: await at(key, 2) })).toEqual({ next_wake: false });
      expect((await api.row(key)).due_in_ms).toBeGreaterThan(20_000);
      expect(await api.row(key)).toMatchObject({ phase: 'held', holder: 'worker', generation: 1 });
      expect(await api.acked(key)).toEqual({ 'events/a': 2 });
      expect(await ack(key, { ...claimed, acks: await at(key, 3), done: true })).toEqual({ next_wake: false });
      expect(await api.row(key)).toMatchObject({ phase: 'idle', holder: null, due_at: null });
    });

    it("and given back: what was not acknowledged is the next worker's", async () => {
      const key = await subscribed();
      const claimed = await claim(key);
      await ack(key, { ...claimed, acks: await at(key, 1) });
      await api.wakes.release(key.subscription_id, claimed.token, claimed);
      await api.round();
      expect(await events(key)).toMatchObject([{ generation: 2 }]);
      const next = await claim(key);
      expect(next.streams[0]!.acked_offset).toBe((await at(key, 1))[0]!.offset);
    });

    it('until done, after which nothing said about them counts (S2)', async () => {
      const key = await subscribed();
      const claimed = await claim(key);
      await ack(key, { ...claimed, acks: await at(key, 2), done: true });
      const late = { ...claimed, acks: await at(key, 3) };
      await expect(ack(key, { ...late, done: true })).rejects.toMatchObject(FENCED);
      await expect(ack(key, late)).rejects.toMatchObject(FENCED);
      await expect(api.wakes.release(key.subscription_id, claimed.token, claimed)).rejects.toMatchObject(FENCED);
      expect(await api.acked(key)).toEqual({ 'events/a': 2 });
    });

    it.each<[string, (key: Key, claimed: SubscriptionClaim, earlier: SubscriptionClaim) => Promise<SubscriptionClaim>]>(
      [
        ['the token of an earlier wake', async (_key, claimed, earlier) => ({ ...claimed, token: earlier.token })],
        ['another generation', async (_key, claimed) => ({ ...claimed, generation: claimed.generation + 1 })],
        ['an earlier generation', async (_key, claimed, earlier) => ({ ...claimed, generation: earlier.generation })],
        ['another wake_id', async (_key, claimed, earlier) => ({ ...claimed, wake_id: earlier.wake_id })],
      ],
    )('not with %s (S2)', async (_, spoil) => {
      const key = await subscribed();
      const earlier = await claim(key);
      await ack(key, { ...earlier, acks: await at(key, 1), done: true });
      const claimed = await claim(key);
      const before = await api.row(key);
      const stale = await spoil(key, claimed, earlier);
      await expect(ack(key, { ...stale, acks: await at(key, 3), done: true })).rejects.toMatchObject(FENCED);
      await expect(api.wakes.release(key.subscription_id, stale.token, stale)).rejects.toMatchObject(FENCED);
      expect(await api.acked(key)).toEqual({ 'events/a': 1 });
      expect({ ...(await api.row(key)), due_in_ms: 0 }).toEqual({ ...before, due_in_ms: 0 });
    });

    it.each<[string, (token: string) => string]>([
      ['none', () => ''],
      ['something else', () => 'hf_user_0123456789'],
      ['a changed one', (token) => `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`],
      ['one with other claims', (token) => `${Buffer.from('["x",1,1]').toString('base64url')}.${token.split('.')[1]}`],
    ])('not with a token that was never given: %s (S2)', async (_, spoil) => {
      const key = await subscribed();
      const claimed = await claim(key);
      await expect(ack(key, { ...claimed, token: spoil(claimed.token) })).rejects.toMatchObject({
        code: 'wake_token_invalid',
        kind: 'unauthenticated',
      });
    });

    it('not with the token of another subscription (S2)', async () => {
      const [key, foreign] = [await subscribed(), await subscribed()];
      const claimed = await claim(key);
      const theirs = await claim(foreign);
      // The token says of whose project it is; there, it is for another subscription.
      await expect(ack(key, { ...claimed, token: theirs.token })).rejects.toMatchObject({
        code: 'subscription_not_found',
      });
      const neighbour = await api.subscribe(key.project_id, { pattern: '**' });
      await api.append(stream(key.project_id, 'events/a'));
      await expect(ack(key, { ...claimed, token: (await claim(neighbour)).token })).rejects.toMatchObject({
        code: 'wake_token_invalid',
      });
    });

    it('not through the callback of webhooks', async () => {
      const key = await subscribed();
      const claimed = await claim(key);
      await expect(api.wakes.ack(key.subscription_id, claimed.token, 'webhook', claimed)).rejects.toMatchObject({
        code: 'subscription_invalid',
      });
    });
  });

  describe('are acknowledged', () => {
    it('never backwards, and all or nothing (S4)', async () => {
      const key = await subscribed();
      await api.make(stream(key.project_id, 'events/b'), { body: Buffer.from('[1,2]') });
      const claimed = await claim(key);
      await ack(key, { ...claimed, acks: await at(key, 2) });
      const acks = [...(await at(key, 1, 'events/b')), ...(await at(key, 1))];
      await expect(ack(key, { ...claimed, acks, done: true })).rejects.toMatchObject(REFUSED);
      expect(await api.acked(key)).toEqual({ 'events/a': 2, 'events/b': 0 });
      expect((await api.row(key)).phase).toBe('held');
    });

    it.each<[string, (key: Key) => Promise<object[]>, string]>([
      ['beyond the end', (key) => at(key, 4), 'ack_refused'],
      [
        'in another generation',
        async (key) => {
          const [{ stream: path, offset }] = (await at(key, 3)) as [{ stream: string; offset: string }];
          return [{ stream: path, offset: `9${offset.slice(1)}` }];
        },
        'ack_refused',
      ],
      [
        'of a stream that is not linked',
        async () => [{ stream: 'elsewhere', offset: '0'.repeat(16) + '_' + '0'.repeat(16) }],
        'ack_refused',
      ],
      ['by a word instead of an offset', async () => [{ stream: 'events/a', offset: 'now' }], 'offset_malformed'],
      ['by the beginning', async () => [{ stream: 'events/a', offset: '-1' }], 'offset_malformed'],
    ])('never %s (S4)', async (_, acks, code) => {
      const key = await subscribed();
      const claimed = await claim(key);
      await expect(ack(key, { ...claimed, acks: await acks(key), done: true })).rejects.toMatchObject({ code });
      expect(await api.acked(key)).toEqual({ 'events/a': 0 });
    });

    it('twice alike, and more than once in one request: the furthest counts (S4)', async () => {
      const key = await subscribed();
      const claimed = await claim(key);
      await ack(key, { ...claimed, acks: [...(await at(key, 2)), ...(await at(key, 1))] });
      expect(await api.acked(key)).toEqual({ 'events/a': 2 });
      await ack(key, { ...claimed, acks: await at(key, 2) });
      expect(await api.acked(key)).toEqual({ 'events/a': 2 });
    });

    it('by many requests at once without ever moving back, in two processes (S4)', async () => {
      const key = await subscribed();
      await api.append(stream(key.project_id, 'events/a'), ...Array.from({ length: 20 }, (_, n) => ({ n })));
      const claimed = await claim(key);
      const seen: number[] = [];
      let isOver = false;
      const watching = (async () => {
        while (!isOver) seen.push((await api.acked(key))['events/a']!);
      })();
      await Promise.all(
        Array.from({ length: 20 }, async (_, n) => {
          const report = { ...claimed, acks: await at(key, n + 1) };
          const process = n % 2 ? api : other;
          // One that comes after a further one is refused.
          await process.wakes
            .ack(key.subscription_id, claimed.token, 'pull-wake', report as never)
            .catch(() => undefined);
        }),
      );
      isOver = true;
      await watching;
      expect(seen).toEqual([...seen].sort((one, two) => one - two));
      expect((await api.acked(key))['events/a']).toBe(20);
    });
  });
});

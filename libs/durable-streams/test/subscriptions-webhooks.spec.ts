import { createPublicKey, verify } from 'node:crypto';
import { eventually } from '@holdfast/testing';
import { ANNOUNCED_S, RETIRED_AFTER_S, SigningKeys, type LogSubscriptionCreate } from '../src/index.js';
import { WakeTokens } from '../src/subscriptions/wake-tokens.js';
import {
  allOf,
  fail,
  isSignedBy,
  pending,
  project,
  sayDone,
  sayNothing,
  startProcess,
  startReceiver,
  stream,
  type Process,
  type ReceivedCall,
  type Receiver,
} from './subscriptions-fixture.js';

type Key = Awaited<ReturnType<Process['subscribe']>>;

const FENCED = { code: 'wake_fenced', members: { error: { code: 'FENCED' } } };

describe('the wakes of a webhook subscription', () => {
  let api: Process;
  let other: Process;
  let receiver: Receiver;
  beforeAll(async () => {
    api = await startProcess();
    other = await startProcess(api);
  });
  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(async () => {
    await receiver.stop();
    await api.clear();
  });
  afterAll(async () => {
    await other.stop();
    await api.stop();
  });

  /** A subscription with one stream of three messages that nobody was told of. */
  async function subscribed(create: Partial<LogSubscriptionCreate> = {}): Promise<Key> {
    const key = await api.subscribe(project(), { webhook: { url: receiver.url }, ...create });
    await api.make(stream(key.project_id, 'events/a'), { body: Buffer.from('[1,2,3]') });
    return key;
  }

  const callBack = ({ body }: ReceivedCall, report: object, process = api) =>
    process.wakes.ack(body.subscription_id, body.callback_token, 'webhook', { ...allOf(body), ...report });

  describe('are sent', () => {
    it('with what is pending, how to call back, and a signature that the published key verifies (S7)', async () => {
      const key = await subscribed();
      await api.round();
      const [call] = receiver.calls as [ReceivedCall];
      expect(call.headers).toMatchObject({ 'content-type': 'application/json' });
      expect(call.body).toEqual({
        subscription_id: key.subscription_id,
        wake_id: expect.stringMatching(/^w_/) as string,
        generation: 1,
        streams: [
          {
            path: 'events/a',
            link_type: 'glob',
            acked_offset: expect.stringMatching(/_0000000000000000$/) as string,
            tail_offset: expect.stringMatching(/_0000000000000003$/) as string,
            has_pending: true,
          },
        ],
        callback_url: `http://api.test/v1/stream/__ds/subscriptions/${key.subscription_id}/callback`,
        callback_token: expect.any(String) as string,
      });
      const jwk = await other.keys.jwk();
      expect(jwk).toMatchObject({
        kty: 'OKP',
        crv: 'Ed25519',
        alg: 'EdDSA',
        use: 'sig',
        kid: expect.stringMatching(/^ds_/) as string,
      });
      expect(isSignedBy(jwk, call)).toBe(true);
      expect(isSignedBy(jwk, { ...call, raw: Buffer.from(call.raw.toString().replace('events/a', 'events/b')) })).toBe(
        false,
      );
      const age = Date.now() / 1000 - Number(/^t=(\d+)/.exec(call.signature)![1]);
      expect(Math.abs(age)).toBeLessThan(300);
    });

    it('once for an idle period, however many processes look (S3)', async () => {
      await subscribed();
      await Promise.all(Array.from({ length: 8 }, (_, n) => (n % 2 ? api : other).round()));
      expect(receiver.calls).toHaveLength(1);
    });

    it('never into this network, whatever the subscription was made with (S8)', async () => {
      const key = await subscribed();
      await api.unitOfWork.query(`UPDATE log_subscriptions SET webhook_url = 'http://10.0.0.1/' WHERE id = $1`, [
        key.subscription_id,
      ]);
      await api.round();
      expect(receiver.calls).toHaveLength(0);
      expect((await api.subscriptions.fetch(key)).subscription).toMatchObject({
        status: 'failed',
        last_error: 'A webhook URL must begin with https://.',
      });
    });
  });

  describe('when the receiver says that it is done', () => {
    it('are over, and what they told of is acknowledged', async () => {
      const key = await subscribed();
      await api.round();
      expect(await api.acked(key)).toEqual({ 'events/a': 3 });
      expect(await api.row(key)).toMatchObject({ phase: 'idle', attempts: 0, due_at: null });
      await api.round();
      expect(receiver.calls).toHaveLength(1);
      await expect(callBack(receiver.calls[0]!, { done: true })).rejects.toMatchObject(FENCED);
    });

    it('are followed by another for what came meanwhile (S1)', async () => {
      const key = await subscribed();
      receiver.answer = async (call, response) => {
        if (receiver.calls.length === 1) await api.append(stream(key.project_id, 'events/a'));
        sayDone(call, response);
      };
      await api.round();
      await api.round();
      expect(receiver.calls.map(({ body }) => body.generation)).toEqual([1, 2]);
      expect(receiver.calls[1]!.body.wake_id).not.toBe(receiver.calls[0]!.body.wake_id);
      expect(receiver.calls[1]!.body.streams[0]!.acked_offset).toBe(receiver.calls[0]!.body.streams[0]!.tail_offset);
      expect(await api.acked(key)).toEqual({ 'events/a': 4 });
    });

    it('take nothing back that it acknowledged beyond that before (S4)', async () => {
      const key = await subscribed();
      receiver.answer = async (call, response) => {
        await api.append(stream(key.project_id, 'events/a'));
        const further = call.body.streams[0]!.tail_offset.replace(/3$/, '4');
        await callBack(call, { acks: [{ stream: 'events/a', offset: further }] });
        sayDone(call, response);
      };
      await api.round();
      expect(await api.acked(key)).toEqual({ 'events/a': 4 });
    });

    it('do not count for a stream that was made again meanwhile (S4, S5)', async () => {
      const key = await subscribed();
      receiver.answer = async (call, response) => {
        if (receiver.calls.length === 1) {
          await api.lifecycle.delete(stream(key.project_id, 'events/a'));
          await api.make(stream(key.project_id, 'events/a'), { body: Buffer.from('[1,2,3,4,5]') });
        }
        sayDone(call, response);
      };
      await api.round();
      expect(await api.acked(key)).toEqual({ 'events/a': 0 });
      await api.round();
      expect(receiver.calls).toHaveLength(2);
      expect(await api.acked(key)).toEqual({ 'events/a': 5 });
    });

    it('do not count once the lease has run out (S2)', async () => {
      const key = await subscribed();
      receiver.answer = async (call, response) => {
        if (receiver.calls.length === 1) {
          await api.letTimePass();
          await other.deliveries.take();
        }
        sayDone(call, response);
      };
      await api.round();
      expect(await api.acked(key)).toEqual({ 'events/a': 0 });
      expect(await api.row(key)).toMatchObject({ phase: 'waking', generation: 2 });
      await api.letTimePass();
      await api.round();
      expect(await api.acked(key)).toEqual({ 'events/a': 3 });
    });
  });

  describe('when the receiver takes its time', () => {
    beforeEach(() => (receiver.answer = sayNothing));

    it('are extended and ended by its callbacks, at any process (S6)', async () => {
      const key = await subscribed({ lease_ttl_ms: 60_000 });
      await api.round();
      const [call] = receiver.calls as [ReceivedCall];
      expect(await api.row(key)).toMatchObject({ phase: 'held', attempts: 0 });
      expect(await callBack(call, { acks: [] }, other)).toEqual({ next_wake: false });
      expect((await api.row(key)).due_in_ms).toBeGreaterThan(50_000);
      expect(await callBack(call, { done: true }, other)).toEqual({ next_wake: false });
      expect(await api.acked(key)).toEqual({ 'events/a': 3 });
      await expect(callBack(call, { done: true })).rejects.toMatchObject(FENCED);
    });

    it('are sent anew when it is not heard of within the lease (S1, S2)', async () => {
      const key = await subscribed();
      await api.round();
      await api.letTimePass();
      await api.round();
      await api.round();
      expect(receiver.calls.map(({ body }) => body.generation)).toEqual([1, 2]);
      await expect(callBack(receiver.calls[0]!, { done: true })).rejects.toMatchObject(FENCED);
      await callBack(receiver.calls[1]!, { done: true });
      expect(await api.acked(key)).toEqual({ 'events/a': 3 });
    });

    it('tell in the answer to the last callback that there is more (S1)', async () => {
      const key = await subscribed();
      await api.round();
      await api.append(stream(key.project_id, 'events/a'));
      expect(await callBack(receiver.calls[0]!, { done: true })).toEqual({ next_wake: true });
      await api.round();
      expect(pending(receiver.calls[1]!.body)).toEqual(['events/a']);
    });

    it('cannot be acknowledged like a claim', async () => {
      await subscribed();
      await api.round();
      const { body } = receiver.calls[0]!;
      await expect(
        api.wakes.ack(body.subscription_id, body.callback_token, 'pull-wake', allOf(body)),
      ).rejects.toMatchObject({ code: 'subscription_invalid' });
    });
  });

  describe('when the receiver fails', () => {
    it('are sent again under the same wake, 1 s later, then 2, up to 60, 20 % more or less, known to all processes (S10)', async () => {
      const key = await subscribed();
      receiver.answer = fail;
      for (const [attempt, seconds] of [1, 2, 4, 8, 16, 32, 60, 60].entries()) {
        const { now } = (await api.unitOfWork.queryOne<{ now: Date }>(`SELECT now()`))!;
        await (attempt % 2 ? api : other).round();
        const row = await api.row(key);
        expect(row).toMatchObject({ phase: 'waking', attempts: attempt + 1, last_error: 'the receiver answered 503' });
        expect(row.due_at!.getTime() - now.getTime()).toBeGreaterThanOrEqual(seconds * 800);
        expect(row.due_in_ms).toBeLessThanOrEqual(seconds * 1_200);
        await api.letTimePass();
      }
      expect(receiver.calls).toHaveLength(8);
      expect(
        new Set(receiver.calls.map(({ body }) => `${body.wake_id} ${body.generation} ${body.callback_token}`)).size,
      ).toBe(1);
      expect((await api.subscriptions.fetch(key)).subscription).toMatchObject({
        status: 'failed',
        last_error: 'the receiver answered 503',
        next_attempt_at: expect.any(String) as string,
      });

      receiver.answer = sayDone;
      await api.round();
      expect(await api.acked(key)).toEqual({ 'events/a': 3 });
      expect((await api.subscriptions.fetch(key)).subscription).toMatchObject({ status: 'active', last_error: null });
    });

    it('are not sent before the retry is due (S10)', async () => {
      const key = await subscribed();
      receiver.answer = fail;
      for (let attempt = 0; attempt < 6; attempt++) {
        await api.round();
        await api.letTimePass();
      }
      await api.round();
      const calls = receiver.calls.length;
      await api.append(stream(key.project_id, 'events/a'));
      await Promise.all([api.round(), other.round()]);
      expect(receiver.calls).toHaveLength(calls);
    });

    it.each<[string, Receiver['answer'], string]>([
      [
        'redirects',
        (_call, response) => response.writeHead(307, { location: receiver.url }).end(),
        'the receiver answered 307',
      ],
      ['hangs up', (_call, response) => response.destroy(), 'the call failed (ECONNRESET)'],
    ])('also one that %s (S8, S10)', async (_, answer, reason) => {
      const key = await subscribed();
      receiver.answer = answer;
      await api.round();
      expect(receiver.calls).toHaveLength(1);
      expect((await api.row(key)).last_error).toBe(reason);
    });

    it('also one that is not there (S10)', async () => {
      const gone = await startReceiver();
      const key = await subscribed({ webhook: { url: gone.url } });
      await gone.stop();
      await api.round();
      expect((await api.row(key)).last_error).toBe('the call failed (ECONNREFUSED)');
    });

    it.each([
      ['an answer that is not JSON', 'done'],
      ['an answer that is not an object', 'null'],
      ['an answer without end', `{"done":true,"pad":"${'.'.repeat(64 * 1024)}"}`],
    ])('not by %s: it took it, and may call back', async (_, text) => {
      const key = await subscribed();
      receiver.answer = (_call, response) => response.end(text);
      await api.round();
      expect(await api.row(key)).toMatchObject({ phase: 'held', attempts: 0, last_error: null });
      await callBack(receiver.calls[0]!, { done: true });
      expect(await api.acked(key)).toEqual({ 'events/a': 3 });
    });

    it('but not where it has called back: it has the wake, whatever became of the call', async () => {
      const key = await subscribed();
      receiver.answer = async (call, response) => {
        await callBack(call, { acks: [] });
        fail(call, response);
      };
      await api.round();
      expect(await api.row(key)).toMatchObject({ phase: 'held', attempts: 0, last_error: null });
    });

    it('and is heard when it calls back about a wake whose retry is due (S2)', async () => {
      const key = await subscribed();
      receiver.answer = fail;
      await api.round();
      await callBack(receiver.calls[0]!, { done: true });
      expect(await api.acked(key)).toEqual({ 'events/a': 3 });
      await api.letTimePass();
      await api.round();
      expect(receiver.calls).toHaveLength(1);
    });
  });

  describe('of many subscriptions', () => {
    it('are sent side by side, and a project whose receivers are slow does not hold up the others', async () => {
      const slow = await startReceiver(() => undefined);
      const crowded = project();
      for (let n = 0; n < 20; n++) {
        await api.subscribe(crowded, { webhook: { url: slow.url } });
      }
      await api.make(stream(crowded, 'events/a'), { body: Buffer.from('[1]') });
      await api.waker.run(new AbortController().signal);
      await api.deliveries.run(new AbortController().signal, () => undefined);
      await eventually(() => expect(slow.calls).toHaveLength(16));

      const key = await subscribed();
      await api.waker.run(new AbortController().signal);
      await api.deliveries.run(new AbortController().signal, () => undefined);
      await eventually(async () => expect(await api.acked(key)).toEqual({ 'events/a': 3 }));
      expect(slow.calls).toHaveLength(16);
      await slow.stop();
      await api.deliveries.settled();
      const { failed } = (await api.unitOfWork.queryOne<{ failed: number }>(
        `SELECT count(*) AS failed FROM log_subscriptions WHERE project_id = $1 AND attempts = 1 AND last_error IS NOT NULL`,
        [crowded],
      ))!;
      expect(failed).toBe(16);
    });
  });

  describe('are signed', () => {
    it('by one key, made by whichever process needs it first, at the same time as others (S7)', async () => {
      const fresh = await startProcess();
      const fellow = await startProcess(fresh);
      const keys = await Promise.all(
        Array.from({ length: 8 }, (_, n) => new SigningKeys((n % 2 ? fresh : fellow).unitOfWork).jwk()),
      );
      expect(new Set(keys.map(({ kid }) => kid)).size).toBe(1);
      const restarted = await startProcess(fresh);
      expect(await restarted.keys.jwk()).toEqual(keys[0]);
      const body = Buffer.from('{}');
      const signature = await restarted.keys.signatureOf(body);
      const [, timestamp, value] = /^t=(\d+),kid=[^,]+,ed25519=(.+)$/.exec(signature)!;
      const publicKey = createPublicKey({ key: { ...keys[0]! }, format: 'jwk' });
      expect(verify(null, Buffer.from(`${timestamp}.{}`), publicKey, Buffer.from(value!, 'base64url'))).toBe(true);
      await restarted.stop();
      await fellow.stop();
      await fresh.stop();
    });

    describe('by another key after a rotation', () => {
      let fresh: Process;
      beforeEach(async () => (fresh = await startProcess()));
      afterEach(() => fresh.stop());

      /** As a process that was started after so much time had passed. */
      const later = async (seconds = 0) => {
        await fresh.unitOfWork.query(
          `UPDATE log_signing_keys SET created_at = created_at - make_interval(secs => $1)`,
          [seconds],
        );
        return new SigningKeys(fresh.unitOfWork);
      };
      const published = async (keys: SigningKeys) => (await keys.published()).map(({ kid }) => kid);

      it('that was published long enough for every receiver to know it (S7)', async () => {
        const { kid: first } = await fresh.keys.jwk();
        const { kid: second } = await fresh.keys.rotate();
        expect(await published(fresh.keys)).toEqual([second, first]);
        expect((await (await later(ANNOUNCED_S - 60)).jwk()).kid).toBe(first);
        const keys = await later(60);
        expect(await keys.signatureOf(Buffer.from('{}'))).toContain(`kid=${second},`);
        expect(await published(keys)).toEqual([second, first]);
      });

      it('while the one before is published and its tokens count for a day (S7)', async () => {
        const { kid: first } = await fresh.keys.jwk();
        const wake = { project_id: project(), subscription: 1, generation: 1 };
        const token = await new WakeTokens(fresh.keys).issue(wake);
        const { kid: second } = await fresh.keys.rotate();
        const before = await later(RETIRED_AFTER_S - 60);
        expect(await published(before)).toEqual([second, first]);
        expect(await new WakeTokens(before).verify(token)).toEqual(wake);
        expect(await new WakeTokens(before).issue(wake)).not.toBe(token);
        const after = await later(60);
        expect(await published(after)).toEqual([second]);
        await expect(new WakeTokens(after).verify(token)).rejects.toMatchObject({ code: 'wake_token_invalid' });
      });

      it('which removes the keys that are not published any more (S7)', async () => {
        const { kid: first } = await fresh.keys.jwk();
        const { kid: second } = await fresh.keys.rotate();
        const { kid: third } = await (await later(RETIRED_AFTER_S)).rotate();
        const stored = await fresh.unitOfWork.query<{ kid: string }>(`SELECT kid FROM log_signing_keys`);
        expect(stored.map(({ kid }) => kid).sort()).toEqual([second, third].sort());
        expect(stored).not.toContainEqual({ kid: first });
      });
    });
  });
});

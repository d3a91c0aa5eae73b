import type { LogSubscriptionCreate } from '../src/index.js';
import { allOf, pending, project, startProcess, stream, type Process } from './subscriptions-fixture.js';

const BASE = 'http://api.test';
const HOOK: Partial<LogSubscriptionCreate> = { webhook: { url: 'https://hooks.example/in' } };

describe('subscriptions', () => {
  let api: Process;
  let other: Process;
  beforeAll(async () => {
    api = await startProcess();
    other = await startProcess(api);
  });
  afterAll(async () => {
    await other.stop();
    await api.stop();
  });

  const links = async (key: { project_id: string; subscription_id: string }) =>
    Object.fromEntries(
      (await api.subscriptions.fetch(key)).subscription.streams.map(({ path, link_type }) => [path, link_type]),
    );

  describe('are made once', () => {
    const create: LogSubscriptionCreate = {
      type: 'webhook',
      pattern: 'events/*',
      streams: ['b', 'a'],
      webhook: { url: 'https://hooks.example/in' },
      lease_ttl_ms: 5_000,
      description: 'what it is for',
    };
    const make = async (changes: Partial<LogSubscriptionCreate> = {}) => {
      const key = { project_id: project(), subscription_id: 'sub' };
      const first = await api.subscriptions.create(key, create, BASE);
      expect(first.created).toBe(true);
      return api.subscriptions.create(key, { ...create, ...changes }, BASE);
    };

    it('and the same request again finds it, in whatever order it names streams (S9)', async () => {
      const again = await make({ streams: ['a', 'b', 'a'] });
      expect(again.created).toBe(false);
      expect(again.subscription.subscription).toMatchObject({
        id: 'sub',
        subscription_id: 'sub',
        type: 'webhook',
        pattern: 'events/*',
        wake_stream: null,
        lease_ttl_ms: 5_000,
        description: 'what it is for',
        status: 'active',
        webhook: {
          url: 'https://hooks.example/in',
          signing: { alg: 'ed25519', jwks_url: `${BASE}/v1/stream/__ds/jwks.json` },
        },
      });
    });

    it.each<[string, Partial<LogSubscriptionCreate>]>([
      ['type', { type: 'pull-wake', wake_stream: 'wake' }],
      ['pattern', { pattern: 'events/**' }],
      ['streams', { streams: ['a'] }],
      ['webhook', { webhook: { url: 'https://hooks.example/other' } }],
      ['lease', { lease_ttl_ms: 6_000 }],
      ['description', { description: 'something else' }],
    ])('and one with another %s is refused (S9)', async (_, changes) => {
      await expect(make(changes)).rejects.toMatchObject({
        code: 'subscription_exists',
        members: { error: { code: 'SUBSCRIPTION_ALREADY_EXISTS' } },
      });
    });

    it('by many requests at once, from two processes (S9)', async () => {
      const key = { project_id: project(), subscription_id: 'sub' };
      const made = await Promise.all(
        Array.from({ length: 8 }, (_, index) => (index % 2 ? other : api).subscriptions.create(key, create, BASE)),
      );
      expect(made.filter(({ created }) => created)).toHaveLength(1);
    });

    it.each<[string, LogSubscriptionCreate, string]>([
      ['without a pattern and streams', { type: 'webhook', ...HOOK }, 'subscription_invalid'],
      ['of a webhook without its URL', { type: 'webhook', pattern: '*' }, 'subscription_invalid'],
      ['of pull-wake without a wake stream', { type: 'pull-wake', pattern: '*' }, 'subscription_invalid'],
      ['of its own wake stream', { type: 'pull-wake', streams: ['w'], wake_stream: 'w' }, 'subscription_invalid'],
      ['with a star in a segment', { type: 'webhook', pattern: 'a/b*', ...HOOK }, 'subscription_invalid'],
      ['with an empty segment', { type: 'webhook', pattern: 'a//b', ...HOOK }, 'subscription_invalid'],
      [
        'of a webhook without TLS',
        { type: 'webhook', pattern: '*', webhook: { url: 'http://a.example' } },
        'webhook_url_rejected',
      ],
    ])('but not %s', async (_, invalid, code) => {
      const key = { project_id: project(), subscription_id: 'sub' };
      await expect(api.subscriptions.create(key, invalid, BASE)).rejects.toMatchObject({ code });
    });

    it('up to a hundred in a project', async () => {
      const project_id = project();
      for (let n = 0; n < 100; n++) {
        await api.subscriptions.create({ project_id, subscription_id: `sub-${n}` }, create, BASE);
      }
      await expect(
        api.subscriptions.create({ project_id, subscription_id: 'one-more' }, create, BASE),
      ).rejects.toMatchObject({ code: 'too_many_subscriptions', members: { limit: 100 } });
      await api.subscriptions.delete({ project_id, subscription_id: 'sub-7' });
      await api.subscriptions.create({ project_id, subscription_id: 'one-more' }, create, BASE);
    });

    it('and are not found from another project (S9)', async () => {
      const key = await api.subscribe(project());
      const foreign = { ...key, project_id: project() };
      const notFound = { code: 'subscription_not_found' };
      await expect(api.subscriptions.fetch(foreign)).rejects.toMatchObject(notFound);
      await expect(api.subscriptions.delete(foreign)).rejects.toMatchObject(notFound);
      await expect(api.subscriptions.addStreams(foreign, ['a'])).rejects.toMatchObject(notFound);
      await expect(api.subscriptions.removeStream(foreign, 'a')).rejects.toMatchObject(notFound);
      await expect(api.wakes.claim(foreign, 'worker')).rejects.toMatchObject(notFound);
      expect((await api.subscriptions.fetch(key)).subscription.id).toBe(key.subscription_id);
    });
  });

  describe('have streams', () => {
    it('that exist from their ends on, and new ones from their starts, first content included (S5)', async () => {
      const project_id = project();
      await api.make(stream(project_id, 'events/old'), { body: Buffer.from('[1,2,3]') });
      const key = await api.subscribe(project_id);
      await api.make(stream(project_id, 'events/new'), { body: Buffer.from('[1,2]') });
      await api.make(stream(project_id, 'elsewhere/new'), { body: Buffer.from('[1]') });
      expect(await api.acked(key)).toEqual({ 'events/old': 3, 'events/new': 0 });
      const claim = await api.wakes.claim(key, 'worker');
      expect(pending(claim)).toEqual(['events/new']);
    });

    it('that exist, and whose next message wakes its workers (S1)', async () => {
      const project_id = project();
      await api.make(stream(project_id, 'events/matched'), { body: Buffer.from('[1]') });
      await api.make(stream(project_id, 'named'), { body: Buffer.from('[1]') });
      const matching = await api.subscribe(project_id);
      const naming = await api.subscribe(project_id, { pattern: undefined, streams: ['named'] });
      await api.append(stream(project_id, 'events/matched'));
      await api.append(stream(project_id, 'named'));
      await api.round();
      expect(await api.read(matching.wake_stream)).toMatchObject([{ stream: 'events/matched' }]);
      expect(await api.read(naming.wake_stream)).toMatchObject([{ stream: 'named' }]);
    });

    it('a fork from where it was forked, and not the history it shares (S5)', async () => {
      const project_id = project();
      await api.make(stream(project_id, 'source'), { body: Buffer.from('[1,2,3]') });
      const key = await api.subscribe(project_id);
      await api.make(stream(project_id, 'events/fork'), {
        content_type: undefined,
        fork: { source_path: 'source', offset: undefined, sub_offset: 0 },
      });
      expect(await api.acked(key)).toEqual({ 'events/fork': 3 });
      await expect(api.wakes.claim(key, 'worker')).rejects.toMatchObject({ code: 'no_pending_work' });
      await api.append(stream(project_id, 'events/fork'), { n: 4 });
      expect(pending(await api.wakes.claim(key, 'worker'))).toEqual(['events/fork']);
    });

    it('by name before they exist, at the start of time (S5)', async () => {
      const project_id = project();
      const key = await api.subscribe(project_id, { pattern: undefined, streams: ['later'] });
      expect((await api.subscriptions.fetch(key)).subscription.streams).toEqual([
        { path: 'later', link_type: 'explicit', acked_offset: '0000000000000000_0000000000000000' },
      ]);
      await api.make(stream(project_id, 'later'), { body: Buffer.from('[1]') });
      expect(pending(await api.wakes.claim(key, 'worker'))).toEqual(['later']);
    });

    it('that are added and removed by name, and stay while the pattern matches them (S5)', async () => {
      const project_id = project();
      await api.make(stream(project_id, 'events/a'));
      await api.make(stream(project_id, 'other'));
      const key = await api.subscribe(project_id);
      await api.subscriptions.addStreams(key, ['events/a', 'other', 'absent', 'events/absent']);
      await api.subscriptions.addStreams(key, ['other']);
      expect(await links(key)).toEqual({
        'events/a': 'explicit',
        other: 'explicit',
        absent: 'explicit',
        'events/absent': 'explicit',
      });
      for (const path of ['events/a', 'other', 'absent', 'events/absent', 'never-there']) {
        await api.subscriptions.removeStream(key, path);
        await api.subscriptions.removeStream(key, path);
      }
      expect(await links(key)).toEqual({ 'events/a': 'glob' });
      await api.make(stream(project_id, 'events/absent'));
      expect(await links(key)).toEqual({ 'events/a': 'glob', 'events/absent': 'glob' });
    });

    it('that keep their places when they are added again (S5)', async () => {
      const project_id = project();
      const key = await api.subscribe(project_id);
      await api.make(stream(project_id, 'events/a'), { body: Buffer.from('[1,2]') });
      await api.subscriptions.addStreams(key, ['events/a']);
      expect(await api.acked(key)).toEqual({ 'events/a': 0 });
    });

    it('but never their own wake stream: a wake would be the cause of the next (S5)', async () => {
      const project_id = project();
      const key = await api.subscribe(project_id, { pattern: '**' });
      const late = { project_id, subscription_id: 'late' };
      await api.subscriptions.create(late, { type: 'pull-wake', pattern: '**', wake_stream: 'wake/late' }, BASE);
      await api.make(stream(project_id, 'wake/late'));
      expect(await links(key)).toEqual({ 'wake/late': 'glob' });
      expect(await links(late)).toEqual({ [key.wake_stream.path]: 'glob' });
      await expect(api.subscriptions.addStreams(late, ['wake/late'])).rejects.toMatchObject({
        code: 'subscription_invalid',
      });
    });

    it('anew when they are deleted and made again (S5)', async () => {
      const project_id = project();
      const key = await api.subscribe(project_id, { streams: ['named'] });
      for (const path of ['events/a', 'named'])
        await api.make(stream(project_id, path), { body: Buffer.from('[1,2]') });
      const claim = await api.wakes.claim(key, 'worker');
      await api.wakes.ack(key.subscription_id, claim.token, 'pull-wake', { ...allOf(claim), done: true });
      expect(await api.acked(key)).toEqual({ 'events/a': 2, named: 2 });

      for (const path of ['events/a', 'named']) await api.lifecycle.delete(stream(project_id, path));
      expect(await links(key)).toEqual({ named: 'explicit' });
      for (const path of ['events/a', 'named']) await api.make(stream(project_id, path), { body: Buffer.from('[1]') });
      expect(await api.acked(key)).toEqual({ 'events/a': 0, named: 0 });
      const next = await api.wakes.claim(key, 'worker');
      expect(pending(next)).toEqual(['events/a', 'named']);

      const old = claim.streams.map(({ path, tail_offset }) => ({ stream: path, offset: tail_offset }));
      await expect(
        api.wakes.ack(key.subscription_id, next.token, 'pull-wake', { ...next, acks: old }),
      ).rejects.toMatchObject({ code: 'ack_refused', members: { error: { code: 'INVALID_OFFSET' } } });
    });

    it('none of which is missed when streams and subscriptions are made at the same time, in two processes (S5)', async () => {
      for (let round = 0; round < 5; round++) {
        const project_id = project();
        const paths = Array.from({ length: 12 }, (_, n) => `events/${n}`);
        const made = paths.map((path, n) =>
          (n % 2 ? api : other).make(stream(project_id, path), { body: Buffer.from(`[${n}]`) }),
        );
        const keys = Array.from({ length: 4 }, (_, n) => (n % 2 ? other : api).subscribe(project_id));
        const subscribed = await Promise.all(keys);
        await Promise.all(made);
        for (const key of subscribed) expect(Object.keys(await links(key)).sort()).toEqual([...paths].sort());
        // Whatever is appended from now on counts for all of them.
        await Promise.all(paths.map((path) => api.append(stream(project_id, path))));
        for (const key of subscribed)
          expect(pending(await api.wakes.claim(key, 'worker')).sort()).toEqual([...paths].sort());
      }
    });

    it('of those that are unlisted only what they name after that, whatever their patterns', async () => {
      const project_id = project();
      const before = await api.subscribe(project_id, { pattern: 'events/**', streams: ['events/named'] });
      const kind = { generation: 1, projected: false };
      await api.unitOfWork.run(async (tx) => {
        await api.lifecycle.createWithin(tx, stream(project_id, 'events/listed'), kind);
        await api.lifecycle.createWithin(tx, stream(project_id, 'events/made'), { ...kind, unlisted: true });
        for (const path of ['events/later', 'events/named']) {
          await api.lifecycle.createWithin(tx, stream(project_id, path), kind);
          await api.lifecycle.unlistWithin(tx, stream(project_id, path));
        }
      });
      const after = await api.subscribe(project_id, { pattern: 'events/**' });
      for (const path of ['listed', 'made', 'later', 'named']) await api.append(stream(project_id, `events/${path}`));
      expect(await links(before)).toEqual({ 'events/listed': 'glob' });
      expect(await links(after)).toEqual({ 'events/listed': 'glob' });
      expect(pending(await api.wakes.claim(before, 'worker'))).toEqual(['events/listed']);

      await api.subscriptions.addStreams(after, ['events/made', 'events/later']);
      await api.append(stream(project_id, 'events/later'));
      expect(pending(await api.wakes.claim(after, 'worker'))).toEqual(['events/later', 'events/listed']);
      await api.subscriptions.removeStream(after, 'events/made');
      expect(await links(after)).toEqual({ 'events/listed': 'glob', 'events/later': 'explicit' });
    });

    it('a thousand at a time, and a cursor for the rest', async () => {
      const project_id = project();
      const names = (from: number) => Array.from({ length: 1_000 }, (_, n) => `n/${String(from + n).padStart(5, '0')}`);
      const key = await api.subscribe(project_id, { pattern: undefined, streams: names(0) });
      await api.subscriptions.addStreams(key, names(1_000).slice(0, 200));
      const first = await api.subscriptions.fetch(key);
      expect(first.subscription.streams).toHaveLength(1_000);
      const rest = await api.subscriptions.fetch(key, first.next_after);
      expect(rest.subscription.streams.map(({ path }) => path)).toEqual(names(1_000).slice(0, 200));
      expect(rest.next_after).toBeUndefined();
    });

    it('at most ten thousand by name', async () => {
      const key = await api.subscribe(project(), { pattern: undefined, streams: ['first'] });
      const add = (batch: number, count: number) =>
        api.subscriptions.addStreams(
          key,
          Array.from({ length: count }, (_, n) => `${batch}/${n}`),
        );
      for (let batch = 0; batch < 9; batch++) await add(batch, 1_000);
      await add(9, 999);
      await expect(add(10, 1)).rejects.toMatchObject({
        code: 'too_many_subscribed_streams',
        members: { limit: 10_000 },
      });
    });
  });

  describe('once deleted', () => {
    it('know nothing of what their workers say, also when made again under the same id (S9)', async () => {
      const project_id = project();
      const key = await api.subscribe(project_id);
      await api.make(stream(project_id, 'events/a'), { body: Buffer.from('[1]') });
      const claim = await api.wakes.claim(key, 'worker');
      const finish = () =>
        api.wakes.ack(key.subscription_id, claim.token, 'pull-wake', { ...allOf(claim), done: true });

      await api.subscriptions.delete(key);
      await expect(finish()).rejects.toMatchObject({ code: 'subscription_not_found' });
      await expect(api.wakes.release(key.subscription_id, claim.token, claim)).rejects.toMatchObject({
        code: 'subscription_not_found',
      });
      await expect(api.subscriptions.fetch(key)).rejects.toMatchObject({ code: 'subscription_not_found' });
      await expect(api.subscriptions.delete(key)).rejects.toMatchObject({ code: 'subscription_not_found' });

      await api.subscriptions.create(
        key,
        { type: 'pull-wake', streams: ['events/a'], wake_stream: key.wake_stream.path },
        BASE,
      );
      await api.append(stream(project_id, 'events/a'));
      const again = await api.wakes.claim(key, 'worker');
      expect(again.generation).toBe(claim.generation);
      await expect(finish()).rejects.toMatchObject({
        code: 'wake_token_invalid',
        members: { error: { code: 'TOKEN_INVALID' } },
      });
      expect(await api.acked(key)).toEqual({ 'events/a': 1 });
    });

    it('leave nothing behind, and their streams stop asking for wakes', async () => {
      const project_id = project();
      const key = await api.subscribe(project_id);
      await api.make(stream(project_id, 'events/a'), { body: Buffer.from('[1]') });
      await api.subscriptions.delete(key);
      await api.append(stream(project_id, 'events/a'));
      await api.round();
      const left = await api.unitOfWork.queryOne<{ links: number; subscribed: number }>(
        `SELECT (SELECT count(*) FROM log_subscription_links WHERE project_id = $1) AS links,
                (SELECT count(*) FROM log_streams WHERE project_id = $1 AND (subscribed OR wake_due)) AS subscribed`,
        [project_id],
      );
      expect(left).toEqual({ links: 0, subscribed: 0 });
    });
  });
});

import { randomUUID } from 'node:crypto';
import { HoldfastClient } from '../src/index.js';
import { createDataSource } from '@holdfast/platform-postgres';
import { startApi, type ApiProcess } from '@holdfast/testing';

describe('commands over a network that loses answers', () => {
  let api: ApiProcess;
  beforeAll(async () => {
    api = await startApi();
  }, 60_000);
  afterAll(() => api?.stop(), 30_000);

  /** Lets the api do what was asked, and spoils the first `count` of its answers. */
  const losing = (count: number, spoil: (answer: Response) => Response) => {
    const keys: (string | null)[] = [];
    const send: typeof fetch = async (input, init) => {
      keys.push(new Headers(init?.headers).get('idempotency-key'));
      const answer = await fetch(input, init);
      return keys.length <= count ? spoil(answer) : answer;
    };
    return { keys, client: new HoldfastClient({ url: api.url, apiKey: api.api_key, fetch: send }) };
  };

  it.each([
    [
      'a broken connection',
      () => {
        throw new TypeError('fetch failed');
      },
    ],
    ['502', () => new Response('bad gateway', { status: 502 })],
    ['503', () => new Response(null, { status: 503 })],
  ])('starts one turn, though the first two answers were %s', async (_, spoil) => {
    const { client, keys } = losing(2, spoil);
    const session_id = `s-${randomUUID()}`;
    const { turn_id } = await client.invoke({ session_id, prompt: 'Go on.' });
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    const { data } = await client.streams.querySessionTurns({ SessionTurnQuery: { session_id } });
    expect(data.map((turn) => turn.turn_id)).toEqual([turn_id]);
  });

  it('starts one turn, though its connection to PostgreSQL was cut at the commit', async () => {
    const { client, keys } = losing(0, (answer) => answer);
    const database = await createDataSource(
      { url: api.database_url, poolSize: 1, applicationName: 'test' },
      [],
    ).initialize();
    // A sequence counts what is rolled back, too: the first commit of an invoke ends its own backend.
    await database.query(`CREATE SEQUENCE commits`);
    await database.query(`
      CREATE FUNCTION cut_first_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF nextval('commits') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
          RETURN NULL;
        END $$`);
    await database.query(`
      CREATE CONSTRAINT TRIGGER cut_first_commit AFTER INSERT ON idempotency_keys DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION cut_first_commit()`);
    const session_id = `s-${randomUUID()}`;
    const { turn_id } = await client.invoke({ session_id, prompt: 'Go on.' });
    await database.query(`DROP FUNCTION cut_first_commit CASCADE`);
    await database.destroy();
    expect(keys.length).toBeGreaterThan(1);
    expect(new Set(keys).size).toBe(1);
    const { data } = await client.streams.querySessionTurns({ SessionTurnQuery: { session_id } });
    expect(data.map((turn) => turn.turn_id)).toEqual([turn_id]);
  });

  it('gives up after six tries', async () => {
    const { client, keys } = losing(100, () => new Response(null, { status: 503 }));
    await expect(client.invoke({ session_id: `s-${randomUUID()}`, prompt: 'Go on.' })).rejects.toMatchObject({
      status: 503,
    });
    expect(keys).toHaveLength(6);
  });

  it('does not send again what was refused, and takes a fresh key for each command', async () => {
    const { client, keys } = losing(0, (answer) => answer);
    const session_id = `s-${randomUUID()}`;
    await client.invoke({ session_id, prompt: 'one' });
    await expect(client.invoke({ session_id, prompt: 'two' })).rejects.toMatchObject({ code: 'session_in_use' });
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(2);
  });

  it('sends the key that it is given', async () => {
    const { client, keys } = losing(0, (answer) => answer);
    const command = { session_id: `s-${randomUUID()}`, prompt: 'one' };
    const first = await client.invoke(command, { idempotencyKey: 'mine' });
    expect(await client.invoke(command, { idempotencyKey: 'mine' })).toMatchObject({ turn_id: first.turn_id });
    expect(keys).toEqual(['mine', 'mine']);
  });
});

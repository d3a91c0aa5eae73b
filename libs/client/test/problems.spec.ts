import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { freePort } from '@holdfast/platform-embedded';
import { HoldfastClient, HoldfastConnectionError, HoldfastError } from '../src/index.js';
import { startApi, type ApiProcess } from '@holdfast/testing';
import { playRunner, text } from './played-runner.js';

const drain = async (events: AsyncIterable<unknown>) => {
  for await (const _ of events);
};

describe('what the client throws', () => {
  let api: ApiProcess;
  let client: HoldfastClient;
  beforeAll(async () => {
    api = await startApi();
    client = new HoldfastClient({ url: api.url, apiKey: api.api_key });
  }, 60_000);
  afterAll(() => api?.stop(), 30_000);

  it('tells the problem of a refusal, with the members that only it has', async () => {
    const session_id = `s-${randomUUID()}`;
    const { turn_id } = await client.invoke({ session_id, prompt: 'one' });
    const refusal = await client.invoke({ session_id, prompt: 'two' }).catch((error) => error);
    expect(refusal).toBeInstanceOf(HoldfastError);
    expect(refusal).toMatchObject({ status: 409, code: 'session_in_use', title: 'Session in use' });
    expect(refusal.detail).toContain(session_id);
    expect(refusal.problem).toMatchObject({ turn_id, turn_status: 'queued' });
  });

  it.each([
    ['an unknown session', 'stream_not_found', 404, 'nobody', '-1'],
    ['an offset that is none', 'offset_malformed', 400, 'known', 'soon'],
    ['an offset beyond the end', 'offset_beyond_tail', 400, 'known', '0000000000000009_0000000000000000'],
    ['an offset of an earlier log', 'offset_gone', 410, 'known', '0000000000000000_0000000000000005'],
  ])('ends following and reading at %s with %s', async (_, code, status, session_id, offset) => {
    await client.sessions.createSession({ session_id: 'known', SessionCreate: {} });
    const refusal = { name: 'HoldfastError', code, status };
    await expect(drain(client.followSession(session_id, { offset }))).rejects.toMatchObject(refusal);
    await expect(drain(client.readSession(session_id, { offset }))).rejects.toMatchObject(refusal);
  });

  it('ends following with 401 and 403 for keys that do not open the session', async () => {
    const withKey = (apiKey: string) => new HoldfastClient({ url: api.url, apiKey });
    await expect(drain(withKey('hf_user_no_key').followSession('known'))).rejects.toMatchObject({ status: 401 });
    await expect(drain(withKey(api.runner_key).followSession('known'))).rejects.toMatchObject({ status: 403 });
  });

  it('reads a log to its end and no further', async () => {
    const session_id = `s-${randomUUID()}`;
    await client.invoke({ session_id, prompt: 'Go on.' });
    const runner = await playRunner(api);
    // The turn of the first test waits too; it was made earlier.
    await runner.claim();
    const turn = await runner.claim();
    await turn.run();
    const large = 'x'.repeat(400_000);
    for (let batch = 0; batch < 6; batch++) await turn.append(text(large), text(`${batch}`));
    const offsets: string[] = [];
    for await (const { offset } of client.readSession(session_id)) offsets.push(offset);
    const { tail_offset } = await client.streams.fetchSessionStream({ session_id });
    expect(offsets.at(-1)).toBe(tail_offset);
    expect(offsets.map((offset) => Number(offset.slice(-16)))).toEqual(offsets.map((_, index) => index + 1));
    expect(offsets.length).toBeGreaterThan(14);
  });

  it('says that nobody answers, and lets an abort through as it is', async () => {
    const nobody = new HoldfastClient({ url: `http://127.0.0.1:${await freePort()}`, apiKey: 'none' });
    await expect(nobody.sessions.fetchSession({ session_id: 's' })).rejects.toBeInstanceOf(HoldfastConnectionError);
    await expect(drain(nobody.readSession('s'))).rejects.toThrow(/ECONNREFUSED/);
    const reason = new Error('enough');
    const fetching = client.sessions.fetchSession({ session_id: 's' }, { signal: AbortSignal.abort(reason) });
    await expect(fetching).rejects.toBe(reason);
  });

  it('knows an answer that no Holdfast api gives', async () => {
    const page = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<h1>Hello</h1>'));
    page.listen(0, '127.0.0.1');
    await once(page, 'listening');
    const url = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
    const elsewhere = new HoldfastClient({ url, apiKey: 'none' });
    await expect(elsewhere.sessions.fetchSession({ session_id: 's' })).rejects.toMatchObject({
      code: 'unexpected_answer',
      detail: `${url}/v1/sessions/s answered 200 with text/html. Is a Holdfast api there?`,
    });
    page.close();
  });
});

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { startStack, type Stack } from '../test/stack.js';

/** The part of the older client that is used here; what it answers with is what it knew of. */
interface OlderClient {
  Configuration: new (of: { basePath: string; accessToken: string }) => object;
  SessionParticipantsApi: new (configuration: object) => {
    joinSession(request: { SessionJoinCreate: object }): Promise<OlderJoin>;
    querySessionParticipants(request: { SessionParticipantQuery: object }): Promise<{ data: { name: string }[] }>;
  };
  SessionStreamsApi: new (configuration: object) => {
    fetchSessionStream(request: { session_id: string }): Promise<{ session_id: string }>;
  };
}
interface OlderJoin {
  session: { session_id: string };
  participant_token: string;
  role: string;
  source_type: unknown;
  participants: { name: string }[];
}

const NEWER = ['source_task_id', 'detailed_source_type', 'task', 'names', 'activity', 'tail_offset'];

describe('a client that was generated before source_task_id existed', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-older-client-'));
  let older: OlderClient;
  let stack: Stack;
  beforeAll(async () => {
    const sources = path.join(folder, 'src');
    await promisify(execFile)(process.execPath, [path.join(import.meta.dirname, 'generate.mjs'), sources]);
    const outfile = path.join(folder, 'client.cjs');
    await build({ entryPoints: [path.join(sources, 'index.ts')], bundle: true, format: 'cjs', outfile });
    // Nothing in it has ever heard of one.
    expect(readFileSync(outfile, 'utf8')).not.toMatch(/source_task_id|detailed_source_type|source_type_format/);
    older = createRequire(__filename)(outfile) as OlderClient;
    stack = await startStack({ runner: false });
  }, 240_000);
  afterAll(async () => {
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  const api = (accessToken: string) => new older.Configuration({ basePath: stack.url, accessToken });
  const join = (token: string, name?: string) =>
    new older.SessionParticipantsApi(api(token)).joinSession({ SessionJoinCreate: { name } });

  /** A session that works on a task with an agent below it, and the token of a link to the whole tree. */
  async function sharedTree(source: object) {
    const session_id = `s-${randomUUID()}`;
    const { client } = stack;
    await client.sessions.createSession({ session_id, SessionCreate: {} });
    const { task_id } = await client.tasks.createSessionTask({ SessionTaskCreate: { session_id, name: 'Lead' } });
    await client.tasks.createSessionTask({ SessionTaskCreate: { parent_task_id: task_id, name: 'Scout' } });
    const { share, token } = await client.shares.createSessionShare({
      SessionShareCreate: { session_id, scope: 'tree', ...source },
    });
    expect(share.source_task_id).toBe(task_id);
    return { session_id, task_id, token: token! };
  }

  it('Q02, Q03: joins a session whose task is known, and goes on as who it is', async () => {
    const { session_id, token } = await sharedTree({});
    const joined = await join(token, 'Older');
    expect(joined).toMatchObject({
      session: { session_id },
      role: 'reader',
      source_type: 'user',
      participants: [{ name: 'Older' }],
    });
    for (const member of NEWER) expect(joined).not.toHaveProperty(member);

    const own = api(joined.participant_token);
    await stack.clientWith(token).participants.joinSession({ SessionJoinCreate: { name: 'Newer' } });
    const participants = new older.SessionParticipantsApi(own);
    const { data } = await participants.querySessionParticipants({ SessionParticipantQuery: { session_id } });
    expect(data.map(({ name }) => name)).toEqual(['Older', 'Newer']);
    expect(await new older.SessionStreamsApi(own).fetchSessionStream({ session_id })).toMatchObject({ session_id });
    const again = await join(joined.participant_token);
    expect(again).toMatchObject({ session: { session_id }, participant_token: null });
  });

  it('Q04: joins what an agent shared, whose task it reads where it always stood', async () => {
    const task_id = randomUUID();
    const { token } = await sharedTree({ source: { source_type: { ambient_agent: { task_id } } } });
    expect(await join(token)).toMatchObject({ source_type: { ambient_agent: { task_id: expect.any(String) } } });
  });
});
